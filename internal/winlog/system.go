package winlog

// cleared is 1102 (the security log, UserData LogFileCleared) and 104 (any
// other log, which the record names).
func (m *mapper) cleared() {
	m.subject()
	log := m.Get("Channel")
	if log == "" {
		log = m.Channel
	}
	m.object("log", log)
	m.say(log, m.Get("BackupPath"))
}
