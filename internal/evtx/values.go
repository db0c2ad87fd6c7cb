package evtx

import (
	"encoding/binary"
	"math"
	"strconv"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// The types of values; with typeArray there are several in a row.
const (
	typeNull       = 0x00
	typeString     = 0x01
	typeANSI       = 0x02
	typeInt8       = 0x03
	typeUint8      = 0x04
	typeInt16      = 0x05
	typeUint16     = 0x06
	typeInt32      = 0x07
	typeUint32     = 0x08
	typeInt64      = 0x09
	typeUint64     = 0x0a
	typeReal32     = 0x0b
	typeReal64     = 0x0c
	typeBool       = 0x0d
	typeBinary     = 0x0e
	typeGUID       = 0x0f
	typeSize       = 0x10
	typeFileTime   = 0x11
	typeSystemTime = 0x12
	typeSID        = 0x13
	typeHex32      = 0x14
	typeHex64      = 0x15
	typeXML        = 0x21
	typeArray      = 0x80
)

// sizes of the types that have one.
var sizes = [...]uint8{
	typeInt8: 1, typeUint8: 1, typeInt16: 2, typeUint16: 2, typeInt32: 4, typeUint32: 4, typeInt64: 8, typeUint64: 8,
	typeReal32: 4, typeReal64: 8, typeBool: 4, typeGUID: 16, typeFileTime: 8, typeSystemTime: 16, typeHex32: 4, typeHex64: 8,
}

// appendValue writes a value as Windows renders it in XML. A value of a size
// that its type cannot have is written as its bytes.
func appendValue(buf []byte, typ uint8, raw []byte) []byte {
	if int(typ) < len(sizes) && sizes[typ] != 0 && len(raw) != int(sizes[typ]) {
		if typ != typeBool || len(raw) != 1 {
			return appendHex(buf, raw)
		}
	}
	le := binary.LittleEndian
	switch typ {
	case typeString:
		return appendUTF16(buf, trimZeros(raw))
	case typeANSI:
		return appendANSI(buf, raw)
	case typeInt8:
		return strconv.AppendInt(buf, int64(int8(raw[0])), 10)
	case typeUint8:
		return strconv.AppendUint(buf, uint64(raw[0]), 10)
	case typeInt16:
		return strconv.AppendInt(buf, int64(int16(le.Uint16(raw))), 10)
	case typeUint16:
		return strconv.AppendUint(buf, uint64(le.Uint16(raw)), 10)
	case typeInt32:
		return strconv.AppendInt(buf, int64(int32(le.Uint32(raw))), 10)
	case typeUint32:
		return strconv.AppendUint(buf, uint64(le.Uint32(raw)), 10)
	case typeInt64:
		return strconv.AppendInt(buf, int64(le.Uint64(raw)), 10)
	case typeUint64:
		return strconv.AppendUint(buf, le.Uint64(raw), 10)
	case typeReal32:
		return strconv.AppendFloat(buf, float64(math.Float32frombits(le.Uint32(raw))), 'g', -1, 32)
	case typeReal64:
		return strconv.AppendFloat(buf, math.Float64frombits(le.Uint64(raw)), 'g', -1, 64)
	case typeBool:
		return strconv.AppendBool(buf, !isZero(raw))
	case typeGUID:
		return appendGUID(buf, raw)
	case typeFileTime:
		return appendTime(buf, fileTime(le.Uint64(raw)))
	case typeSystemTime:
		return appendTime(buf, systemTime(raw))
	case typeSID:
		return appendSID(buf, raw)
	case typeHex32, typeHex64, typeSize:
		return append(buf, hexNumber(raw)...)
	}
	return appendHex(buf, raw)
}

func hexNumber(raw []byte) string {
	n := uint64(0)
	for i := min(len(raw), 8) - 1; i >= 0; i-- {
		n = n<<8 | uint64(raw[i])
	}
	return "0x" + strconv.FormatUint(n, 16)
}

func appendHex(buf, raw []byte) []byte {
	const digits = "0123456789ABCDEF"
	for _, c := range raw {
		buf = append(buf, digits[c>>4], digits[c&15])
	}
	return buf
}

func appendTime(buf []byte, t time.Time) []byte {
	if t.IsZero() {
		return buf
	}
	return t.AppendFormat(buf, "2006-01-02T15:04:05.0000000Z")
}

func systemTime(raw []byte) time.Time {
	n := func(i int) int { return int(binary.LittleEndian.Uint16(raw[2*i:])) }
	if n(0) < 1601 || n(0) > 9999 {
		return time.Time{}
	}
	return time.Date(n(0), time.Month(n(1)), n(3), n(4), n(5), n(6), n(7)*int(time.Millisecond), time.UTC)
}

func appendGUID(buf, raw []byte) []byte {
	order := [16]byte{raw[3], raw[2], raw[1], raw[0], raw[5], raw[4], raw[7], raw[6]}
	copy(order[8:], raw[8:])
	buf = append(buf, '{')
	for i := range order {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			buf = append(buf, '-')
		}
		buf = appendHex(buf, order[i:i+1])
	}
	return append(buf, '}')
}

// appendSID writes S-1-5-….
func appendSID(buf, raw []byte) []byte {
	if len(raw) < 8 || len(raw) < 8+4*int(raw[1]) {
		return appendHex(buf, raw)
	}
	buf = append(buf, 'S', '-')
	buf = strconv.AppendUint(buf, uint64(raw[0]), 10)
	authority := uint64(0)
	for _, c := range raw[2:8] {
		authority = authority<<8 | uint64(c)
	}
	buf = strconv.AppendUint(append(buf, '-'), authority, 10)
	for i := range int(raw[1]) {
		buf = strconv.AppendUint(append(buf, '-'), uint64(binary.LittleEndian.Uint32(raw[8+4*i:])), 10)
	}
	return buf
}

// firstItem cuts the first item of an array.
func firstItem(typ uint8, raw []byte) (item, rest []byte) {
	n := len(raw)
	switch {
	case typ == typeString:
		for i := 0; i+1 < len(raw); i += 2 {
			if raw[i] == 0 && raw[i+1] == 0 {
				return raw[:i], raw[i+2:]
			}
		}
	case typ == typeANSI:
		for i, c := range raw {
			if c == 0 {
				return raw[:i], raw[i+1:]
			}
		}
	case typ == typeSID && len(raw) > 1:
		n = 8 + 4*int(raw[1])
	case int(typ) < len(sizes) && sizes[typ] != 0:
		n = int(sizes[typ])
	}
	n = min(n, len(raw))
	return raw[:n], raw[n:]
}

// trimZeros takes the terminator off UTF-16.
func trimZeros(raw []byte) []byte {
	for len(raw) >= 2 && raw[len(raw)-1] == 0 && raw[len(raw)-2] == 0 {
		raw = raw[:len(raw)-2]
	}
	return raw
}

// appendUTF16 writes UTF-16 as UTF-8; half surrogates become U+FFFD.
func appendUTF16(buf, raw []byte) []byte {
	for i := 0; i+1 < len(raw); i += 2 {
		c := rune(binary.LittleEndian.Uint16(raw[i:]))
		if c < utf8.RuneSelf {
			buf = append(buf, byte(c))
			continue
		}
		if utf16.IsSurrogate(c) {
			second := rune(0)
			if i+3 < len(raw) {
				second = rune(binary.LittleEndian.Uint16(raw[i+2:]))
			}
			if c = utf16.DecodeRune(c, second); c != utf8.RuneError {
				i += 2
			}
		}
		buf = utf8.AppendRune(buf, c)
	}
	return buf
}

// appendANSI reads one byte as one character where it is not UTF-8.
func appendANSI(buf, raw []byte) []byte {
	for len(raw) > 0 && raw[len(raw)-1] == 0 {
		raw = raw[:len(raw)-1]
	}
	if utf8.Valid(raw) {
		return append(buf, raw...)
	}
	for _, c := range raw {
		buf = utf8.AppendRune(buf, rune(c))
	}
	return buf
}
