package wire

// The event types of the vendor (docs/wire/carbonblack.md §11.1).
const (
	TypeNetwork       = "NETWORK"
	TypeFileCreate    = "FILE_CREATE"
	TypeRegistry      = "REGISTRY_ACCESS"
	TypeAPICall       = "SYSTEM_API_CALL"
	TypeCreateProcess = "CREATE_PROCESS"
	TypeDataAccess    = "DATA_ACCESS"
	TypeInjectCode    = "INJECT_CODE"
)
