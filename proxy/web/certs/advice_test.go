package certs_test

import (
	"strings"
	"testing"

	"galley/proxy/web/certs"
)

func TestAdvice(t *testing.T) {
	for problem, want := range map[string]string{
		"HTTP 403 urn:ietf:params:acme:error:externalAccountRequired - an external account is required":                           "web.acme.eab_key_id",
		"registering account [] with server: HTTP 403 urn:ietf:params:acme:error:unauthorized - the field 'kid' references a key": "does not know the key",
		"HTTP 429 urn:ietf:params:acme:error:rateLimited - too many certificates":                                                 "wait",
		"HTTP 400 urn:ietf:params:acme:error:dns - NXDOMAIN looking up A for x.org":                                               "A or AAAA record",
		"HTTP 400 urn:ietf:params:acme:error:connection - Fetching http://x.org/: Connection refused":                             "web.listen",
		"HTTP 403 urn:ietf:params:acme:error:caa - CAA record for x.org prevents issuance":                                        "CAA",
		"dial tcp 127.0.0.1:1: connect: connection refused":                                                                       "web.acme.directory",
		"open /var/lib/galley/acme: permission denied":                                                                            "web.acme.storage",
		"something else": "Ports 80 and 443",
	} {
		if got := certs.Advice(problem); !strings.Contains(got, want) {
			t.Errorf("%s: %s", problem, got)
		}
	}
}
