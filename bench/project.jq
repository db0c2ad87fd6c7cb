# The same projection as `edrctl events list -o ndjson`, for the events of one
# page of the Gene manager.
def base: if . == null then null else (split("\\") | last) end;
def uid: if . == null then null else ltrimstr("{") | rtrimstr("}") end;
def user: if . == null then null else (split("\\") | if length > 1 then {domain: .[0], name: .[1]} else {name: .[0]} end) end;
def hashes: if . == null then null else (split(",") | map(split("=") | {(.[0] | ascii_downcase): (.[1] | ascii_downcase)}) | add) end;
def kind: {"1":"process_start","2":"file_write","3":"network_connect","5":"process_end","6":"module_load","7":"module_load","8":"process_inject",
  "9":"device_access","10":"process_access","11":"file_create","12":"registry_create","13":"registry_set","15":"file_create","22":"dns_query","23":"file_delete","26":"file_delete"}[.] // "other";
def clean: with_entries(select(.value != null and .value != {} and .value != ""));
.data[].Event | . as $e | .EventData as $d | .System as $s | .EdrData as $r
| {
    id: $r.Event.Hash, ref: ("bench/" + $r.Event.Hash), profile: "bench", backend: "gene",
    time: $s.TimeCreated.SystemTime, ingested: $r.Event.ReceiptTime, kind: ($s.EventID | tostring | kind),
    summary: ($d.CommandLine // $d.TargetFilename // $d.DestinationIp // $d.QueryName // $d.TargetObject // $d.ImageLoaded),
    host: ({id: $r.Endpoint.UUID, name: ($s.Computer | split(".")[0]), domain: ($s.Computer | split(".")[1:] | join(".")), ip: [$r.Endpoint.IP]} | clean),
    user: ($d.User | user),
    process: ({uid: ($d.ProcessGuid | uid), pid: (if $d.ProcessId then ($d.ProcessId | tonumber) else null end), name: ($d.Image | base), path: $d.Image, command_line: $d.CommandLine,
      working_directory: $d.CurrentDirectory, hash: (if $s.EventID == 1 then ($d.Hashes | hashes) else null end), integrity: $d.IntegrityLevel,
      parent: ({uid: ($d.ParentProcessGuid | uid), pid: (if $d.ParentProcessId then ($d.ParentProcessId | tonumber) else null end), name: ($d.ParentImage | base), path: $d.ParentImage, command_line: $d.ParentCommandLine} | clean)} | clean),
    target: ({uid: ($d.TargetProcessGUID | uid), name: ($d.TargetImage | base), path: $d.TargetImage} | clean),
    file: (if $d.TargetFilename then {path: $d.TargetFilename, name: ($d.TargetFilename | base)} else null end),
    network: (if $d.DestinationIp then {transport: $d.Protocol, source: {ip: $d.SourceIp, port: ($d.SourcePort | tonumber)}, destination: ({ip: $d.DestinationIp, port: ($d.DestinationPort | tonumber), domain: $d.DestinationHostname} | clean)} else null end),
    dns: (if $d.QueryName then {question: {name: $d.QueryName}} else null end),
    registry: (if $d.TargetObject then {path: $d.TargetObject, data: $d.Details} else null end),
    module: (if $d.ImageLoaded then {path: $d.ImageLoaded, hash: ($d.Hashes | hashes)} else null end)
  } | clean
