package certs

import "strings"

// Advice says what to do about an error with which an authority, or the way to it, left a host without a certificate. The words of authorities are those of RFC 8555, section 6.7.
func Advice(problem string) string {
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(problem, w) {
				return true
			}
		}
		return false
	}
	const again = " Galley tries again by itself, and at once after a SIGHUP."
	switch {
	case has("error:externalAccountRequired"):
		return "The authority wants an account that is bound to one you have there: get a key from it, and give web.acme.eab_key_id and web.acme.eab_mac_key_file, then restart galley."
	case has("registering account") && has("error:unauthorized", "error:malformed", "external"):
		return "The authority does not know the key or its identifier, or does not take them any more: correct web.acme.eab_key_id and web.acme.eab_mac_key_file, then restart galley."
	case has("error:rateLimited"):
		return "The authority has been asked too often for this name or by this machine: wait for the time that it says. Try with web.acme.directory: staging until all else is right."
	case has("error:dns"):
		return "The authority cannot look the name up: give it an A or AAAA record that leads to galley." + again
	case has("error:connection", "error:tls", "error:unauthorized", "error:incorrectResponse"):
		return "The authority has connected to port 80 or 443 of that name, and has not met galley: the name's addresses (A and AAAA) have to be those of galley, or of what passes these ports on to web.listen and web.tls.listen." + again
	case has("error:caa"):
		return "A CAA record of the name lets only other authorities sign: change it, or web.acme.directory." + again
	case has("error:rejectedIdentifier", "error:unsupportedIdentifier"):
		return "The authority signs nothing for this name: give the site a cert_file, or take another authority (web.acme.directory)."
	case has("error:invalidContact", "error:unsupportedContact"):
		return "The authority does not take the address in web.acme.email: correct it, then restart galley."
	case has("error:userActionRequired"):
		return "The authority wants its terms to be agreed to anew: see its message."
	case has("error:accountDoesNotExist"):
		return "The authority has forgotten the account in web.acme.storage: remove its directory acme/…/users there, then restart galley."
	case has("dial tcp", "connection refused", "no such host", "i/o timeout", "certificate signed by unknown authority", "x509:"):
		return "The authority itself cannot be reached: see web.acme.directory, web.acme.ca_file, and whether this machine may connect there." + again
	case has("permission denied", "no space left", "read-only file system", "mkdir", "storage"):
		return "web.acme.storage has to be writable for the user that galley runs as." + again
	}
	return "Ports 80 and 443 of that name have to lead to galley, and web.acme.storage has to be writable." + again
}
