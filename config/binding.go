package config

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// binding connects a row of the table with its field of Config.
type binding struct {
	// read puts a value into the field, or reports what is wrong with it.
	read func(r *reader, in value, path string)
	// show returns the field as somebody could have written it, secrets masked.
	show func(c *Config) string
	// plain returns the field for the printed configuration.
	plain func(c *Config) any
	same  func(a, b *Config) bool
	// reset empties the field.
	reset func(c *Config)
	list  bool
}

// scalar binds a field of one value.
func scalar[T comparable](at func(*Config) *T, parse func(string) (T, *mistake), show func(T) string) binding {
	return binding{
		read: func(r *reader, in value, path string) {
			if !r.isScalar(in, path) {
				return
			}
			v, m := parse(in.text)
			if m != nil {
				r.fail(in.at, path, m)
				return
			}
			*at(r.cfg) = v
		},
		show:  func(c *Config) string { return show(*at(c)) },
		plain: func(c *Config) any { return show(*at(c)) },
		same:  func(a, b *Config) bool { return *at(a) == *at(b) },
		reset: func(c *Config) {
			var none T
			*at(c) = none
		},
	}
}

// typed makes the printed value that of the field itself instead of its text.
func typed[T any](b binding, at func(*Config) *T) binding {
	b.plain = func(c *Config) any { return *at(c) }
	return b
}

func text(at func(*Config) *string, parse func(string) (string, *mistake)) binding {
	return scalar(at, parse, func(s string) string { return s })
}

func number(at func(*Config) *int, least, most int) binding {
	return typed(scalar(at, func(text string) (int, *mistake) { return parseNumber(text, least, most) }, strconv.Itoa), at)
}

func fraction(at func(*Config) *float64, most float64) binding {
	parse := func(text string) (float64, *mistake) { return parseFraction(text, most) }
	return typed(scalar(at, parse, showFraction), at)
}

func showFraction(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

func boolean(at func(*Config) *bool) binding {
	return typed(scalar(at, parseBool, strconv.FormatBool), at)
}

func duration(at func(*Config) *time.Duration, least, most time.Duration) binding {
	return scalar(at, func(text string) (time.Duration, *mistake) { return parseDuration(text, least, most) }, showDuration)
}

func size(at func(*Config) *Size, least, most Size) binding {
	return scalar(at, func(text string) (Size, *mistake) {
		v, m := parseSize(text)
		if m == nil && (v < least || v > most) {
			m = &mistake{echo: text, what: "{} is out of range", remedy: "Write a size from " + least.String() + " to " + most.String() + "."}
		}
		return v, m
	}, Size.String)
}

// secret binds a secret; the printed value is the mask, or nothing where there is none.
func secret(at func(*Config) *Secret, parse func(string) (string, *mistake)) binding {
	return scalar(at, func(text string) (Secret, *mistake) {
		v, m := parse(text)
		return NewSecret(v), m
	}, maskOf)
}

func maskOf(s Secret) string {
	if s.IsZero() {
		return ""
	}
	return secretMask
}

// secretFile binds the path of a file with a secret, and reads it in the end if no stronger source gave another.
func secretFile(path func(*Config) *string, into func(*Config) *Secret, parse func(string) (string, *mistake)) binding {
	b := text(path, nonEmpty)
	read := b.read
	b.read = func(r *reader, in value, setting string) {
		*path(r.cfg) = ""
		if read(r, in, setting); *path(r.cfg) == "" {
			return
		}
		r.pending[setting] = []pendingSecret{{at: in.at, path: setting, file: in.text, parse: parse, set: func(s Secret) { *into(r.cfg) = s }}}
	}
	return b
}

// list binds a list; item reads one of them, itself reporting what is wrong.
func list[T comparable](at func(*Config) *[]T, item func(r *reader, in value, path string) (T, bool), show func(T) string) binding {
	b := listOf(at, item, show)
	b.same = func(a, b *Config) bool { return slices.Equal(*at(a), *at(b)) }
	return b
}

// listOf is list for items that hold lists themselves.
func listOf[T any](at func(*Config) *[]T, item func(r *reader, in value, path string) (T, bool), show func(T) string) binding {
	return binding{
		list: true,
		read: func(r *reader, in value, path string) {
			if in.kind == kindBroken {
				r.failed[path] = true
				return
			}
			if in.kind != kindList {
				r.fail(in.at, path, notList(in, path))
				return
			}
			items := make([]T, 0, len(in.items))
			for i, one := range in.items {
				v, ok := item(r, one, itemPath(path, i))
				if !ok {
					r.failed[path] = true
					continue
				}
				items = append(items, v)
			}
			*at(r.cfg) = items
		},
		show: func(c *Config) string {
			words := make([]string, 0, len(*at(c)))
			for _, v := range *at(c) {
				words = append(words, show(v))
			}
			return strings.Join(words, ", ")
		},
		plain: func(c *Config) any {
			words := make([]string, 0, len(*at(c)))
			for _, v := range *at(c) {
				words = append(words, show(v))
			}
			return words
		},
		same: func(a, b *Config) bool {
			return slices.EqualFunc(*at(a), *at(b), func(x, y T) bool { return reflect.DeepEqual(x, y) })
		},
		reset: func(c *Config) { *at(c) = nil },
	}
}

func notList(in value, path string) *mistake {
	if in.kind == kindNull {
		return noValue()
	}
	remedy := "Write [a, b], or one item a line, each after a dash."
	switch path {
	case "cluster.nodes":
		remedy = "Write [10.0.0.1:3306, 10.0.0.2:3306]."
	case "mysql.limits":
		remedy = "Write [{user: app, max_connections: 500}]."
	case "web.sites":
		remedy = "Write [{hosts: [example.com], root: /var/www/example.com, pool: php}]."
	case "web.pools":
		remedy = "Write [{name: php, backends: [10.0.0.11:9000]}]."
	case "mysql.users":
		remedy = "Write [{user: app, password_file: /etc/galley/app.password}]."
	}
	return &mistake{what: "this must be a list, but it is " + in.kind.String(), remedy: remedy}
}

// words is an item reader for lists of single values.
func words[T any](parse func(string) (T, *mistake)) func(*reader, value, string) (T, bool) {
	return func(r *reader, in value, path string) (T, bool) {
		var none T
		if !r.isScalar(in, path) {
			return none, false
		}
		v, m := parse(in.text)
		if m != nil {
			r.failItem(in.at, path, m)
			return none, false
		}
		return v, true
	}
}
