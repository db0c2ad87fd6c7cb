package guards

import (
	"context"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
	"github.com/edrctl/edrctl/internal/model"
)

func guardLogout(_ context.Context, g *Call) error {
	g.Preview.Summary = "ends the session of this profile on the server"
	g.After = func(ctx context.Context, _ *model.Action) { g.server.EndSession(ctx) }
	return nil
}

// strongEnough is what editions since 3.5.1 ask of a password (§17.2).
func strongEnough(p string) bool {
	var up, low, digit, other bool
	for _, r := range p {
		switch {
		case r >= 'A' && r <= 'Z':
			up = true
		case r >= 'a' && r <= 'z':
			low = true
		case r >= '0' && r <= '9':
			digit = true
		default:
			other = true
		}
	}
	return len([]rune(p)) >= 8 && up && low && digit && other
}

func guardPassword(ctx context.Context, g *Call) error {
	old, next := g.text("old_password"), g.text("new_password")
	if !g.has("confirm_new_password") {
		g.args["confirm_new_password"] = next
	}
	switch {
	case old == "" || next == "":
		return g.invalid("it needs the old and the new password")
	case g.text("confirm_new_password") != next:
		return g.invalid("the new password and its repetition differ")
	case next == old:
		return g.invalid("the new password is the old one")
	}
	if !strongEnough(next) {
		g.warn("editions since 3.5 take only passwords of 8 characters or more, with a capital, a small letter, a digit and another character")
	}
	if _, err := g.read(ctx, "auth.password.verify", map[string]any{"password": old}); err != nil && backends.KindOf(err) != backends.KindUnsupported {
		if backends.KindOf(err) == backends.KindOther {
			return &backends.Error{Kind: backends.KindAuth, What: g.What, Why: "the old password is not that of this user", Err: err}
		}
		return err
	}
	g.Preview.Summary = "changes the password of " + wire.FirstOf(g.server.Setting("username"), "this user")
	g.warn("every session of the user ends, also those of the console and of other programs")
	g.After = func(ctx context.Context, _ *model.Action) { g.server.EndSession(ctx) }
	g.Done = func(ctx context.Context) (bool, error) { return g.server.Verify(ctx, next) }
	return nil
}
