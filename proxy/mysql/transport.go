package mysql

import (
	"crypto/tls"
	"encoding/asn1"
	"fmt"
	"strings"

	"galley/cluster"
)

// transport is how a client's packets come, as far as accounts ask (MariaDB: acl_check_ssl, sql/sql_acl.cc).
type transport struct {
	tls             bool
	cipher          string // In OpenSSL's words.
	cert            bool   // The client gave a certificate, and it was verified.
	subject, issuer string // Its names, in X509_NAME_oneline's form.
}

// transportOf reads what is known after a TLS handshake.
func transportOf(s *tls.ConnectionState) transport {
	t := transport{tls: true, cipher: cipherName(s.CipherSuite)}
	if len(s.VerifiedChains) > 0 {
		leaf := s.PeerCertificates[0]
		t.cert, t.subject, t.issuer = true, oneLine(leaf.RawSubject), oneLine(leaf.RawIssuer)
	}
	return t
}

// String tells for the log what there is.
func (t transport) String() string {
	switch {
	case t.cert:
		return fmt.Sprintf("TLS with cipher %s, and a certificate of %s issued by %s", t.cipher, t.subject, t.issuer)
	case t.tls:
		return fmt.Sprintf("TLS with cipher %s, and no certificate", t.cipher)
	}
	return "no TLS"
}

// meets says whether an account may be used over this transport.
func (t transport) meets(a *cluster.Account) bool {
	switch a.SSL {
	case cluster.SSLNone:
		return true
	case cluster.SSLAny:
		return t.tls
	case cluster.SSLX509:
		return t.cert
	case cluster.SSLSpecified:
		if !t.tls || a.SSLCipher != "" && a.SSLCipher != t.cipher {
			return false
		}
		if a.X509Issuer == "" && a.X509Subject == "" {
			return a.SSLCipher != "" // Without any of the three the requirement is one that galley does not know.
		}
		return t.cert && (a.X509Issuer == "" || a.X509Issuer == t.issuer) && (a.X509Subject == "" || a.X509Subject == t.subject)
	}
	return false
}

// cipherName is a cipher suite's name as OpenSSL's SSL_get_cipher gives it, in which accounts are written. For TLS 1.3 it is the standard's.
func cipherName(id uint16) string {
	name := tls.CipherSuiteName(id)
	key, bulk, ok := strings.Cut(name, "_WITH_")
	if !ok {
		return name
	}
	// TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 is ECDHE-RSA-AES128-GCM-SHA256, TLS_RSA_WITH_AES_128_CBC_SHA is AES128-SHA.
	key = strings.TrimPrefix(strings.ReplaceAll(strings.TrimPrefix(key, "TLS_"), "_", "-")+"-", "RSA-")
	return key + strings.NewReplacer("AES_", "AES", "CHACHA20_POLY1305_SHA256", "CHACHA20-POLY1305", "3DES_EDE_CBC", "DES-CBC3", "_CBC", "", "_", "-").Replace(bulk)
}

// attribute is one part of a distinguished name (RFC 5280, 4.1.2.4), its value with the bytes that are in the certificate.
type attribute struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue
}

// attributeSET is some attributes that stand together; encoding/asn1 knows a SET by the end of the type's name.
type attributeSET []attribute

// oneLine writes a name as OpenSSL 3's X509_NAME_oneline does (crypto/x509/x509_obj.c): /C=SE/O=Example\/Co/CN=client, attributes of one set joined by +,
// what is not printable ASCII as \xHH. Empty where the name cannot be read, which no account asks for.
func oneLine(raw []byte) string {
	var sets []attributeSET
	if rest, err := asn1.Unmarshal(raw, &sets); err != nil || len(rest) > 0 {
		return ""
	}
	var b []byte
	for _, set := range sets {
		joint := byte('/')
		for _, a := range set {
			b = append(b, joint)
			b = append(b, shortName(a.Type)...)
			b = append(b, '=')
			b = appendEscaped(b, a.Value.Bytes)
			joint = '+'
		}
	}
	return string(b)
}

func appendEscaped(b, value []byte) []byte {
	const hex = "0123456789ABCDEF"
	for _, c := range value {
		switch {
		case c < ' ' || c > '~':
			b = append(b, '\\', 'x', hex[c>>4], hex[c&15])
		case c == '/' || c == '+':
			b = append(b, '\\', c)
		default:
			b = append(b, c)
		}
	}
	return b
}

// shortName is OpenSSL's short name of an attribute's type (crypto/objects/objects.txt); others are written as numbers.
//
//nolint:funlen // a table
func shortName(oid asn1.ObjectIdentifier) string {
	switch s := oid.String(); s {
	case "2.5.4.3":
		return "CN"
	case "2.5.4.4":
		return "SN"
	case "2.5.4.5":
		return "serialNumber"
	case "2.5.4.6":
		return "C"
	case "2.5.4.7":
		return "L"
	case "2.5.4.8":
		return "ST"
	case "2.5.4.9":
		return "street"
	case "2.5.4.10":
		return "O"
	case "2.5.4.11":
		return "OU"
	case "2.5.4.12":
		return "title"
	case "2.5.4.13":
		return "description"
	case "2.5.4.15":
		return "businessCategory"
	case "2.5.4.17":
		return "postalCode"
	case "2.5.4.20":
		return "telephoneNumber"
	case "2.5.4.41":
		return "name"
	case "2.5.4.42":
		return "GN"
	case "2.5.4.43":
		return "initials"
	case "2.5.4.44":
		return "generationQualifier"
	case "2.5.4.46":
		return "dnQualifier"
	case "2.5.4.65":
		return "pseudonym"
	case "2.5.4.97":
		return "organizationIdentifier"
	case "0.9.2342.19200300.100.1.1":
		return "UID"
	case "0.9.2342.19200300.100.1.25":
		return "DC"
	case "1.2.840.113549.1.9.1":
		return "emailAddress"
	case "1.2.840.113549.1.9.2":
		return "unstructuredName"
	case "1.3.6.1.4.1.311.60.2.1.1":
		return "jurisdictionL"
	case "1.3.6.1.4.1.311.60.2.1.2":
		return "jurisdictionST"
	case "1.3.6.1.4.1.311.60.2.1.3":
		return "jurisdictionC"
	default:
		return s
	}
}
