package config

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
)

func parseNumber(text string, least, most int) (int, *mistake) {
	remedy := "Write a number from " + strconv.Itoa(least) + " to " + strconv.Itoa(most) + "."
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, &mistake{echo: text, what: "{} is not a whole number", remedy: remedy}
	}
	if n < least || n > most {
		return 0, &mistake{echo: text, what: "{} is out of range", remedy: remedy}
	}
	return n, nil
}

func parseFraction(text string, most float64) (float64, *mistake) {
	remedy := "Write a number from 0 to " + showFraction(most) + ", for example 0.5."
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(f) {
		return 0, &mistake{echo: text, what: "{} is not a number", remedy: remedy}
	}
	if f < 0 || f > most {
		return 0, &mistake{echo: text, what: "{} is out of range", remedy: remedy}
	}
	return f, nil
}

func parseBool(text string) (bool, *mistake) {
	switch text {
	case "true", "True", "TRUE":
		return true, nil
	case "false", "False", "FALSE":
		return false, nil
	}
	remedy := "Write true or false."
	switch strings.ToLower(text) {
	case "yes", "on", "1", "y", "t", "enabled":
		remedy = "Write true."
	case "no", "off", "0", "n", "f", "disabled":
		remedy = "Write false."
	}
	return false, &mistake{echo: text, what: "{} is neither true nor false", remedy: remedy}
}

func parseDuration(text string, least, most time.Duration) (time.Duration, *mistake) {
	if n, err := strconv.ParseFloat(text, 64); err == nil && n != 0 && !math.IsNaN(n) && !math.IsInf(n, 0) {
		bare := showFraction(math.Abs(n))
		return 0, &mistake{echo: text, what: "{} has no unit", remedy: "Write " + bare + "s for seconds or " + bare + "ms for milliseconds."}
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, &mistake{echo: text, what: "{} is not a duration", remedy: "Write a number with a unit (ms, s, m or h), for example 500ms, 10s or 1m30s."}
	}
	if d < least || d > most {
		return 0, &mistake{echo: text, what: "{} is out of range", remedy: "Write a duration from " + showDuration(least) + " to " + showDuration(most) + "."}
	}
	return d, nil
}

// showDuration is Duration.String without the zeros that nobody writes.
func showDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// oneOf returns a parser for a closed list of words.
func oneOf(words ...string) func(string) (string, *mistake) {
	return func(text string) (string, *mistake) {
		for _, word := range words {
			if text == word {
				return word, nil
			}
		}
		remedy := "Write one of " + strings.Join(words, ", ") + "."
		if s := didYouMean(text, words); s != "" {
			remedy = s + " " + remedy
		}
		return "", &mistake{echo: text, what: "{} is not one of the possible words", remedy: remedy}
	}
}

func nonEmpty(text string) (string, *mistake) {
	if strings.TrimSpace(text) == "" {
		return "", &mistake{what: "this is empty", remedy: "Write a value, or take the key out."}
	}
	return printableText(text)
}

// printableText refuses what can only be an accident: line breaks and control characters.
func printableText(text string) (string, *mistake) {
	if strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) >= 0 {
		return "", &mistake{what: "there is a line break or another control character in this value", remedy: "Write it on one line."}
	}
	return text, nil
}

// parsePassword takes any text of one line: what the server allows is the server's affair.
func parsePassword(text string) (string, *mistake) {
	if strings.ContainsAny(text, "\n\r\x00") {
		return "", &mistake{what: "this secret has more than one line", remedy: "Write it on one line."}
	}
	return text, nil
}

// parseToken takes what fits into an HTTP header.
func parseToken(text string) (string, *mistake) {
	if strings.IndexFunc(text, func(r rune) bool { return r <= ' ' || r >= unicode.MaxASCII }) >= 0 {
		return "", &mistake{what: "a token is sent in an HTTP header and can hold only ASCII characters without spaces", remedy: "Make one with: openssl rand -hex 32."}
	}
	return text, nil
}

// maxSocketPath is the room for a path in Linux's struct sockaddr_un (unix(7)), without the ending zero byte.
const maxSocketPath = 107

func parseSocket(text string) (string, *mistake) {
	text = strings.TrimPrefix(text, "unix:")
	if !strings.HasPrefix(text, "/") {
		return "", &mistake{echo: text, what: "{} is not an absolute path", remedy: "Write the whole path, for example /run/galley/admin.sock."}
	}
	if len(text) > maxSocketPath {
		return "", &mistake{echo: text, what: "{} is too long for a unix socket (more than 107 bytes)", remedy: "Write a shorter path, for example /run/galley/admin.sock."}
	}
	return printableText(text)
}

// parseHost reads a name under which browsers reach the admin page.
func parseHost(text string) (string, *mistake) {
	const remedy = "Write a host name or address without scheme and path, for example galley.example.com."
	if strings.Contains(text, "/") {
		return "", &mistake{echo: text, what: "{} is a URL, not a host name", remedy: remedy}
	}
	host, port, m := splitAddress(text, remedy)
	if m != nil {
		return "", m
	}
	if host == "" {
		return "", notAddress(text, "it has no host", remedy)
	}
	if port == "" {
		return host, nil
	}
	return parseNode(text)
}

// maxVersion keeps the greeting in one small packet.
const maxVersion = 120

func parseVersion(text string) (string, *mistake) {
	if len(text) > maxVersion || strings.IndexFunc(text, func(r rune) bool { return r < ' ' || r >= unicode.MaxASCII }) >= 0 {
		return "", &mistake{echo: text, what: "{} cannot be a version", remedy: "Write it as a server would say it, for example 10.11.19-MariaDB."}
	}
	return text, nil
}
