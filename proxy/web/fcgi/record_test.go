package fcgi

import (
	"bytes"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

func TestParseCGI(t *testing.T) {
	for name, test := range map[string]struct {
		in     string
		status int
		header http.Header
		n      int
		bad    bool
	}{
		"plain":            {"Content-Type: a\r\n\r\nbody", 200, http.Header{"Content-Type": {"a"}}, 19, false},
		"lone newlines":    {"a:b\nc: d \n\nbody", 200, http.Header{"A": {"b"}, "C": {"d"}}, 11, false},
		"status":           {"Status: 404 Not Found\r\nA: b\r\n\r\n", 404, http.Header{"A": {"b"}}, 31, false},
		"status alone":     {"status: 503\n\n", 503, http.Header{}, 13, false},
		"location":         {"Location: /x\n\n", 302, http.Header{"Location": {"/x"}}, 14, false},
		"created":          {"Status: 201 Created\nLocation: /x\n\n", 201, http.Header{"Location": {"/x"}}, 34, false},
		"status line":      {"HTTP/1.1 418 Teapot\nA: b\n\n", 418, http.Header{"A": {"b"}}, 26, false},
		"no header at all": {"\r\nbody", 200, http.Header{}, 2, false},
		"cookies":          {"Set-Cookie: a\nSet-Cookie: b\n\n", 200, http.Header{"Set-Cookie": {"a", "b"}}, 29, false},
		"hop by hop":       {"Connection: close\nTransfer-Encoding: chunked\nA: b\n\n", 200, http.Header{"A": {"b"}}, 51, false},
		"odd name":         {"A B: c\nA: b\n\n", 200, http.Header{"A": {"b"}}, 13, false},
		"not complete":     {"A: b\r\nC: d\r\n", 0, nil, 0, false},
		"empty":            {"", 0, nil, 0, false},
		"no colon":         {"hello\n\n", 0, nil, 0, true},
		"interim":          {"Status: 100 Continue\n\n", 0, nil, 0, true},
		"bad status":       {"Status: 2000\n\n", 0, nil, 0, true},
		"zero byte":        {"A: b\x00c\n\n", 0, nil, 0, true},
		"carriage return":  {"A: b\rc\n\n", 0, nil, 0, true},
		"too long":         {strings.Repeat("A: bcdefg\n", 30_000), 0, nil, 0, true},
		"too many":         {strings.Repeat("A: b\n", 1001) + "\n", 0, nil, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			status, header, n, err := ParseCGI([]byte(test.in))
			if status != test.status || !reflect.DeepEqual(header, test.header) || n != test.n || (err != nil) != test.bad {
				t.Errorf("got %d %v %d %v", status, header, n, err)
			}
		})
	}
}

func TestHundredHeaders(t *testing.T) {
	text := strings.Repeat("X-"+strings.Repeat("n", 20)+": "+strings.Repeat("v", 1000)+"\r\n", 100) + "\r\n"
	_, header, n, err := ParseCGI([]byte(text))
	if err != nil || n != len(text) || len(header["X-N"+strings.Repeat("n", 19)]) != 100 {
		t.Errorf("%d %v", n, err)
	}
}

// pairsOf reads back what AppendParams wrote, record by record as php-fpm does.
func pairsOf(tb testing.TB, b []byte) (pairs []Param) {
	tb.Helper()
	for len(b) > 0 {
		h, err := ParseHeader(b)
		if err != nil || h.Type != Params || h.Length == 0 || len(b) < headerLen+h.Length {
			tb.Fatalf("record %+v, %v", h, err)
		}
		some, err := ParsePairs(b[headerLen : headerLen+h.Length])
		if err != nil {
			tb.Fatal(err)
		}
		pairs = append(pairs, some...)
		b = b[headerLen+h.Length:]
	}
	return pairs
}

func TestNoPairSpansTwoRecords(t *testing.T) {
	for _, size := range []int{0, 1, 127, 128, 32_760, 65_000, 65_535 - 4 - 2 - 1} {
		params := []Param{
			{"A", strings.Repeat("a", size)},
			{strings.Repeat("N", 200), "x"},
			{"B", strings.Repeat("b", size)},
			{"C", ""},
			{"D", strings.Repeat("d", size)},
		}
		b, err := AppendParams(nil, params)
		if err != nil {
			t.Fatal(err)
		}
		if got := pairsOf(t, b); !reflect.DeepEqual(got, params) {
			t.Errorf("size %d: %d pairs", size, len(got))
		}
	}
	if b, err := AppendParams(nil, nil); err != nil || len(b) != 0 {
		t.Errorf("%q %v", b, err)
	}
}

func FuzzParseCGI(f *testing.F) {
	for _, seed := range []string{
		"", "\n", "\r\n\r\n", "A: b\r\n\r\nbody", "Status: 404 x\nA:b\n\n", "Location: http://a/\n\n", "HTTP/1.1 200 OK\n\n", "A\n\n", "Status: 99\n\n", ":\n\n",
		"Transfer-Encoding: chunked\n\n", "A: \xff\n\n", "A: b\x00\n\n", "A: b\n c\n\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		status, header, n, err := ParseCGI(b)
		switch {
		case err != nil:
			if status != 0 || header != nil {
				t.Error("an error with a header")
			}
		case n == 0:
			if bytes.Contains(b, []byte("\n\n")) || status != 0 {
				t.Errorf("complete, but not seen: %q", b)
			}
		case status < 200 || status > 999 || n > len(b) || b[n-1] != '\n':
			t.Errorf("%q: %d %d", b, status, n)
		}
		for name, values := range header {
			if !isToken(name) || name == "Status" || name == "Transfer-Encoding" || strings.ContainsAny(strings.Join(values, ""), "\r\n\x00") {
				t.Errorf("%q: %q", name, values)
			}
		}
		// More input does not change what was complete.
		if _, again, m, _ := ParseCGI(append(bytes.Clone(b), "X: y\n"...)); n > 0 && err == nil && (m != n || !reflect.DeepEqual(header, again)) {
			t.Errorf("%q: reads otherwise with more behind it", b)
		}
	})
}

func FuzzParams(f *testing.F) {
	f.Add("A", "b", 3)
	f.Add("", "", 0)
	f.Add(strings.Repeat("N", 128), strings.Repeat("v", 60_000), 4)
	f.Fuzz(func(t *testing.T, name, value string, n int) {
		params := make([]Param, min(max(n, 0), 50))
		for i := range params {
			params[i] = Param{name, value[:len(value)-min(i, len(value))]}
		}
		b, err := AppendParams(nil, params)
		if err != nil {
			if pairLen(Param{name, value}) <= maxContent {
				t.Error(err)
			}
			return
		}
		if got := pairsOf(t, b); len(got) != len(params) || len(got) > 0 && !reflect.DeepEqual(got, params) {
			t.Errorf("%d pairs of %d", len(got), len(params))
		}
	})
}

func FuzzPairs(f *testing.F) {
	for _, seed := range [][]byte{{}, {1, 1, 'a', 'b'}, {0x80}, {0x80, 0, 0, 1, 1, 'a', 'b'}, {0xff, 0xff, 0xff, 0xff, 0}, {5, 5, 'x'}} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		pairs, err := ParsePairs(b)
		n := 0
		for _, p := range pairs {
			n += len(p.Name) + len(p.Value) + 2
		}
		if n > len(b) || err == nil && len(b) > 0 && len(pairs) == 0 {
			t.Errorf("%q: %d pairs, %v", b, len(pairs), err)
		}
	})
}
