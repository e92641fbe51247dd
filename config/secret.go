package config

import (
	"fmt"
	"io"
	"log/slog"
)

// secretMask stands wherever a secret would be printed.
const secretMask = "[secret]"

// Secret is a text that formats, marshals and logs as "[secret]". Only Reveal gives it away.
type Secret struct{ text string }

// NewSecret wraps text.
func NewSecret(text string) Secret { return Secret{text: text} }

// Reveal returns the secret itself: for the one place that sends or compares it.
func (s Secret) Reveal() string { return s.text }

// IsZero reports whether there is no secret (or an empty one).
func (s Secret) IsZero() bool { return s.text == "" }

// String returns the mask.
func (Secret) String() string { return secretMask }

// Format writes the mask for every verb: without it %d and %x would show the field.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, secretMask) }

// GoString returns the mask, for %#v.
func (Secret) GoString() string { return secretMask }

// MarshalText returns the mask: it covers JSON, XML and map keys.
func (Secret) MarshalText() ([]byte, error) { return []byte(secretMask), nil }

// MarshalJSON returns the mask.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + secretMask + `"`), nil }

// MarshalYAML returns the mask.
func (Secret) MarshalYAML() (any, error) { return secretMask, nil }

// LogValue returns the mask, for slog.
func (Secret) LogValue() slog.Value { return slog.StringValue(secretMask) }
