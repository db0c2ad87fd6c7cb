package fake

import (
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"
)

// token is the JWT of a user and a second: iat and exp stand in the header
// part, and two logins in one second give the same token (§3.5, §3.7).
func (s *Server) makeToken(u *User, at time.Time) string {
	iat := at.Unix()
	e := base64.RawURLEncoding
	head := e.EncodeToString(fmt.Appendf(nil, `{"alg":"HS512","iat":%d,"exp":%d}`, iat, iat+int64(s.opt.TokenTTL/time.Second)))
	load := e.EncodeToString(fmt.Appendf(nil, `{"id":%d}`, u.ID))
	sig := sha512.Sum512([]byte("edrctl demo secret " + head + "." + load))
	return head + "." + load + "." + e.EncodeToString(sig[:])
}

// readToken gives the user of a token; expired tells a known but dead one.
func (s *Server) readToken(token string) (u *User, expired bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, false
	}
	var head struct{ Iat, Exp int64 }
	var load struct{ ID int }
	for i, into := range []any{&head, &load} {
		b, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil || json.Unmarshal(b, into) != nil {
			return nil, false
		}
	}
	u = s.userByID(load.ID)
	if u == nil || s.makeToken(u, time.Unix(head.Iat, 0)) != token {
		return nil, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.st.DeadTokens[token] || head.Iat < s.st.TokensFrom[u.ID] || s.now().Unix() >= head.Exp {
		return u, true
	}
	return u, false
}

func (s *Server) userByID(id int) *User {
	for i := range s.data.Users {
		if s.data.Users[i].ID == id {
			return &s.data.Users[i]
		}
	}
	return nil
}

func (s *Server) password(u *User) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, changed := s.st.Passwords[u.ID]; changed {
		return p
	}
	return u.Password
}

func (s *Server) authenticate(r *request) *reply {
	token := r.Header.Get("X-Access-Token")
	u, expired := s.readToken(token)
	var rep reply
	switch {
	case u == nil:
		rep = nested(http.StatusUnauthorized, "Request did not contain valid API key!")
	case expired:
		rep = nested(http.StatusUnauthorized, "This API key used to authenticate is expired!")
	case u.Role == "analyst" && s.opt.Edition != CE2 && adminOnly(r):
		rep = status(http.StatusForbidden, "Access to this resource is Forbidden!")
	default:
		r.user, r.token = u, token
		return nil
	}
	return &rep
}

// adminOps are what the role analyst may not do in 3.5.1 (§3.8).
var adminOps = map[string]bool{
	"threatintel.keys.set": true, "virustotal.engines.set": true, "settings.set": true,
	"hosts.tags.add": true, "hosts.tags.remove": true, "hosts.delete": true, "hosts.remove": true, "hosts.enable": true,
	"tags.delete": true, "carves.delete": true, "yara.delete": true, "iocs.add": true, "email.set": true, "email.test": true,
	"rules.set": true, "rules.add": true, "queries.add": true, "queries.set": true, "queries.tags.add": true, "queries.tags.remove": true,
	"queries.delete": true, "packs.add": true, "packs.tags.add": true, "packs.tags.remove": true, "packs.delete": true, "packs.upload": true,
	"configs.add": true, "configs.set": true, "configs.delete": true, "configs.assign": true,
}

func adminOnly(r *request) bool {
	return adminOps[r.op.Name] || r.op.Name == "alerts.resolve" && !r.boolean("resolve", false)
}

func login(s *Server, r *request) reply {
	if !r.has("password") || !r.has("username") && (!r.has("email") || s.opt.Edition == CE2) {
		return html(http.StatusBadRequest, "&lt;Response 55 bytes [200 OK]&gt;")
	}
	name := r.str("username")
	if name == "" {
		name = r.str("email")
	}
	for i := range s.data.Users {
		u := &s.data.Users[i]
		if (u.Name == name || u.Email != "" && u.Email == name && s.opt.Edition != CE2) && s.password(u) == r.str("password") {
			token := s.makeToken(u, s.now())
			if s.opt.Edition == CE2 {
				return reply{json: object{{"token", token}}}
			}
			if s.opt.Edition == Enterprise {
				return reply{json: object{{"x-access-token", token}}}
			}
			return reply{json: object{{"all_roles", "admin,analyst"}, {"auth_type", "password"}, {"first_name", nil}, {"last_name", nil},
				{"reset_email", u.Email == ""}, {"reset_password", false}, {"roles", u.Role}, {"token", token}}}
		}
	}
	return reply{json: object{{"message", "Username/Password is/are wrong!"}, {"status", "failure"}}}
}

func logout(s *Server, r *request) reply {
	token := r.Header.Get("X-Access-Token")
	if u, _ := s.readToken(token); u == nil {
		return fail("API key passed is invalid!")
	}
	s.mu.Lock()
	s.st.DeadTokens[token] = true
	s.mu.Unlock()
	return ok("user logged out successfully", nil)
}

func changePassword(s *Server, r *request) reply {
	next := r.str("new_password")
	switch {
	case s.password(r.user) != r.str("old_password"):
		return fail("Old password is not matching!")
	case next != r.str("confirm_new_password"):
		return fail("New password and confirm new password are not matching for the user")
	case s.opt.Edition != CE2 && !strong(next):
		return fail("Password should contain 1 uppercase, 1 lowercase, 1 digit, 1 special character and min 8 characters of length!")
	}
	s.mu.Lock()
	s.st.Passwords[r.user.ID] = next
	s.st.TokensFrom[r.user.ID] = s.now().Unix() + 1
	s.mu.Unlock()
	return ok("password is updated successfully", nil)
}

func strong(p string) bool {
	var up, low, digit, other bool
	for _, c := range p {
		switch {
		case unicode.IsUpper(c):
			up = true
		case unicode.IsLower(c):
			low = true
		case unicode.IsDigit(c):
			digit = true
		default:
			other = true
		}
	}
	return len(p) >= 8 && up && low && digit && other
}

func verifyPassword(s *Server, r *request) reply {
	if s.password(r.user) != r.str("password") {
		return fail("Password is not matching with the current user")
	}
	return ok("Password for the current user is verified successfully", nil)
}

// Expire makes every token given out so far dead, as seven days would.
func (s *Server) Expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.data.Users {
		s.st.TokensFrom[u.ID] = s.now().Unix() + 1
	}
}
