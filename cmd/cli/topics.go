package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/internal/model"
)

// kinds lists the kinds of events, a few a line.
func kinds() string {
	var b strings.Builder
	width := len("Kinds: ")
	for i, k := range model.Kinds {
		if i > 0 {
			if width += 1 + len(k); width > 78 {
				b.WriteByte('\n')
				width = len(k)
			} else {
				b.WriteByte(' ')
			}
		} else {
			width += len(k)
		}
		b.WriteString(string(k))
	}
	return b.String()
}

// helpTopics are pages of help that belong to no command.
func helpTopics() []*cobra.Command {
	return []*cobra.Command{
		{Use: "exit-codes", Short: "What the exit codes mean", Long: `0    done
1    error
2    usage: unknown flag, bad value, broken configuration
3    partial: some profiles or targets failed, the rest is on stdout
4    not authenticated, or forbidden
5    not supported by the backend
6    not found
7    refused: read-only, declined, or no --yes without a terminal
8    still pending when the wait ended
9    the check you asked for found something: --fail-on-hit, audit verify,
     carve verify, rules test
130  interrupted`},
		{Use: "filters", Short: "How filters, times and limits work", Long: `--host --user --process --path --command-line --hash --ip --port --domain
--file --registry --rule --kind --search narrow every list. A flag may repeat:
its values are alternatives; different flags must all hold.

  text      the text anywhere in the value, in any case
  =text     exactly the text, in any case
  a*b?      with * and ? as wildcards, over the whole value
  !text     excludes, in front of any of these: --user '!SYSTEM'

--ip takes an address, a CIDR, a range (10.0.0.1-10.0.0.9) or a prefix (10.1.)
and looks at both ends, DNS answers and logon sources. --host takes a name,
NAME.DOMAIN, DOMAIN\NAME, an id or a ref. --domain finds bücher.example and
xn--bcher-kva.example alike. A complete hash is compared exactly; --port and
--kind are exact. Values are trimmed, and evil[.]example is read as a domain.
A value that can match nothing is an error.

--where takes one expression, the same as the filter line of edrctl tui:

  severity>=high host~FIN,HR (process=cmd.exe or process=pwsh.exe) !user=SYSTEM

  field=a,b   the whole value is a or b; wildcards outside of quotes
  field~a     contains a          != and !~ negate
  field>=a    >= > <= < for severity and score
  a b         both hold           a or b     one holds
  !a          a does not hold     (a or b)   a group
  word        in any text         ~wrd       these letters in this order
  "a b"       text taken as it is @night     a filter saved in the configuration

Fields are the flags above without --, and: severity score status source title
technique tactic backend profile ref. Saved filters are in the configuration:

  filters:
    night: "severity>=high !user=SYSTEM"

A filter means the same on every backend: what a server cannot do is done here
after fetching, and --explain shows the split.

Kinds: ` + kinds() + `

Times are a duration back from now (15m 24h 7d 2w), RFC 3339, or a date.
--around TIME --window 5m looks at both sides of an instant.`},
		{Use: "environment", Short: "Environment variables edrctl reads", Long: `EDRCTL_PROFILE       profiles used when -p is absent
EDRCTL_OUTPUT        format used when -o is absent
EDRCTL_CONFIG        configuration file
EDRCTL_READ_ONLY     refuse everything that changes a backend
EDRCTL_<PROFILE>_<SECRET>
                     a secret, for example EDRCTL_PROD_CW_TOKEN; upper case,
                     "-" and "." become "_"
EDRCTL_PASSPHRASE, EDRCTL_PASSPHRASE_FILE
                     opens the encrypted file of secrets
XDG_CONFIG_HOME, XDG_STATE_HOME, XDG_CACHE_HOME
                     where config.yaml, state and cache live
HTTPS_PROXY, HTTP_PROXY, NO_PROXY
                     proxy, unless the profile names one
NO_COLOR, CLICOLOR_FORCE, COLUMNS
                     colour and width of tables`},
	}
}
