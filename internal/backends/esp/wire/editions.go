package wire

// The editions, as the config names them.
const (
	EditionCE2        = "ce2" // community 2.1 and 3.0
	EditionCE3        = "ce3" // community 3.5
	EditionCE4        = "ce4" // community 4.0
	EditionEnterprise = "enterprise"
)

// BasePaths are where the API lives, newest edition first (§2).
var BasePaths = []string{"/esp-ui/services/api/v1", "/services/api/v1"}
