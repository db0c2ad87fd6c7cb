# Nine fields of the events of one page of the Gene manager: what somebody types
# who wants a list to search in, without normalising anything.
.data[].Event | {time: .System.TimeCreated.SystemTime, id: .System.EventID, host: .System.Computer, user: .EventData.User,
  image: .EventData.Image, command: .EventData.CommandLine, pid: .EventData.ProcessId, parent: .EventData.ParentImage, target: .EventData.TargetFilename}
