package fcgi

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
)

const (
	// maxHeader bounds the header of an answer: with 100 headers of 1 KB it still fits.
	maxHeader = 256 << 10
	// maxHeaders bounds its lines.
	maxHeaders = 1000
)

// ErrBadHeader says that what a script sent is no CGI header.
var ErrBadHeader = errors.New("bad header from the script")

// ParseCGI reads the header of an answer (RFC 3875, section 6): n is its length
// with the blank line that ends it, 0 where that line has not come yet.
// Without a Status it is 200, or 302 where there is a Location. Headers that
// belong to a connection, not to an answer, and such with names that HTTP does
// not allow are left out.
func ParseCGI(b []byte) (status int, header http.Header, n int, err error) {
	n = headerEnd(b)
	if n == 0 {
		if len(b) > maxHeader {
			return 0, nil, 0, fmt.Errorf("%w: it is longer than %d bytes", ErrBadHeader, maxHeader)
		}
		return 0, nil, 0, nil
	}
	if n > maxHeader {
		return 0, nil, 0, fmt.Errorf("%w: it is longer than %d bytes", ErrBadHeader, maxHeader)
	}
	header = make(http.Header, 8)
	lines := 0
	for line := range bytes.Lines(b[:n]) {
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		if lines++; lines > maxHeaders {
			return 0, nil, 0, fmt.Errorf("%w: more than %d lines", ErrBadHeader, maxHeaders)
		}
		if lines == 1 && bytes.HasPrefix(line, []byte("HTTP/")) {
			_, code, _ := bytes.Cut(line, []byte(" "))
			if status, err = parseStatus(string(code)); err != nil {
				return 0, nil, 0, err
			}
			continue
		}
		if err = addLine(header, line, &status); err != nil {
			return 0, nil, 0, err
		}
	}
	if status == 0 {
		status = http.StatusOK
		if header.Get("Location") != "" {
			status = http.StatusFound
		}
	}
	return status, header, n, nil
}

// headerEnd finds the end of the first blank line.
func headerEnd(b []byte) int {
	for at := 0; at < len(b); {
		i := bytes.IndexByte(b[at:], '\n')
		if i < 0 {
			return 0
		}
		if i == 0 || i == 1 && b[at] == '\r' {
			return at + i + 1
		}
		at += i + 1
	}
	return 0
}

func addLine(header http.Header, line []byte, status *int) error {
	name, value, ok := strings.Cut(string(line), ":")
	if !ok {
		return fmt.Errorf("%w: a line without a colon", ErrBadHeader)
	}
	value = strings.Trim(value, " \t")
	if strings.IndexFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) >= 0 {
		return fmt.Errorf("%w: a control character in %q", ErrBadHeader, name)
	}
	if !isToken(name) {
		return nil
	}
	switch name = textproto.CanonicalMIMEHeaderKey(name); name {
	case "Status":
		code, err := parseStatus(value)
		if err == nil {
			*status = code
		}
		return err
	case "Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return nil
	}
	header[name] = append(header[name], value)
	return nil
}

// parseStatus reads "404 Not Found". An answer that is only interim is none.
func parseStatus(text string) (int, error) {
	code, _, _ := strings.Cut(text, " ")
	n, err := strconv.Atoi(code)
	if err != nil || len(code) != 3 || n < 200 {
		return 0, fmt.Errorf("%w: status %q", ErrBadHeader, text)
	}
	return n, nil
}

// isToken says whether a text is a token of RFC 9110, section 5.6.2.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0 {
			continue
		}
		return false
	}
	return s != ""
}
