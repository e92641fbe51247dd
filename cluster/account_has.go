package cluster

// Has says whether the set has this very account, with all that its fingerprint stands for.
func (s *AccountSet) Has(user, host string, fingerprint uint64) bool {
	for _, a := range s.all {
		if a.User == user && a.Host == host && a.Fingerprint == fingerprint {
			return true
		}
	}
	return false
}
