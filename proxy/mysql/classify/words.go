package classify

//go:generate go run gen_words.go

// wordID numbers the words that have a case of their own in the code.
type wordID = uint8

// props are what words.txt says of a word; the names are explained there.
type props uint16

const (
	pParen props = 1 << iota
	pFunc
	pTight
	pNew
	pNondet
	pNow
	pStop
	pForbidden
	pSysvar
	pIstable
	pMytable
	pMild
)

// entry is a word of the table, its name in lower case.
type entry struct {
	name  string
	props props
	id    wordID
}

// acts are the properties of words on which the parser acts wherever they
// stand; stopLengths of the table is made of the same.
const acts = pStop | pForbidden | pNow

// unread stands for a word that was not looked up yet.
const unread = 1<<16 - 1

// mayAct tells whether a word of that first letter and length may have one of
// acts; a word cannot that is longer than any.
func mayAct(first byte, length int) bool {
	return length < 64 && stopLengths[first&31]>>uint(length)&1 != 0
}

// longestWord bounds what is worth looking up.
const longestWord = 40

// lookup finds a word whatever its case; 0 is the empty entry for unknown ones.
func lookup(s []byte) uint16 {
	if len(s) == 0 || len(s) > longestWord {
		return 0
	}
	for h := hashWord(s); ; h = (h + 1) & (1<<wordTableBits - 1) {
		i := wordSlots[h]
		if i == 0 || sameWord(wordTable[i].name, s) {
			return i
		}
	}
}

// hashWord mixes the length and five letters, without regard to case, so that
// its cost does not grow with the word.
func hashWord(s []byte) uint32 {
	n := len(s)
	k := uint32(s[0]|0x20) | uint32(s[n-1]|0x20)<<8 | uint32(s[n/2]|0x20)<<16 | uint32(s[n/4]|0x20)<<24
	k ^= uint32(n) * 0x9e3779b1
	k ^= uint32(s[n-1-n/4]|0x20) * 0x85ebca6b
	return k * wordMultiplier >> (32 - wordTableBits)
}

// sameWord compares a name of the table, which is in lower case, with s.
func sameWord(name string, s []byte) bool {
	if len(name) != len(s) {
		return false
	}
	for i := range len(name) {
		c := s[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != name[i] {
			return false
		}
	}
	return true
}
