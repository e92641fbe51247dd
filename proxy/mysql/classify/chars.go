package classify

// classes gives each byte's class (charClass). It holds for every character
// set whose lower half is ASCII; Mode.NotASCII is for the others.
var classes = [256]charClass{ //nolint:gochecknoglobals // read-only table
	cBad, cBad, cBad, cBad, cBad, cBad, cBad, cBad, // 00
	cBad, cSpace, cSpace, cSpace, cSpace, cSpace, cBad, cBad,
	cBad, cBad, cBad, cBad, cBad, cBad, cBad, cBad, // 10
	cBad, cBad, cBad, cBad, cBad, cBad, cBad, cBad,
	cSpace, cOp, cDouble, cHash, cWord, cOp, cOp, cSingle, // 20: space ! " # $ % & '
	cOpen, cClose, cStar, cOp, cComma, cMinus, cDot, cSlash, // ( ) * + , - . /
	cDigit, cDigit, cDigit, cDigit, cDigit, cDigit, cDigit, cDigit, // 30
	cDigit, cDigit, cColon, cSemi, cOp, cOp, cOp, cOp, // 8 9 : ; < = > ?
	cAt, cWord, cWord, cWord, cWord, cWord, cWord, cWord, // 40
	cWord, cWord, cWord, cWord, cWord, cWord, cWord, cWord,
	cWord, cWord, cWord, cWord, cWord, cWord, cWord, cWord, // 50
	cWord, cWord, cWord, cBad, cBackslash, cOp, cOp, cWord, // X Y Z [ \ ] ^ _
	cBacktick, cWord, cWord, cWord, cWord, cWord, cWord, cWord, // 60
	cWord, cWord, cWord, cWord, cWord, cWord, cWord, cWord,
	cWord, cWord, cWord, cWord, cWord, cWord, cWord, cWord, // 70
	cWord, cWord, cWord, cOp, cOp, cOp, cOp, cBad, // x y z { | } ~ DEL
	cHigh, cHigh, cHigh, cHigh, cHigh, cHigh, cHigh, cHigh, // 80
	cHigh, cHigh, cHigh, cHigh, cHigh, cHigh, cHigh, cHigh,
	cHigh, cHigh, cHigh, cHigh, cHigh, cHigh, cHigh, cHigh, // 90
	cHigh, cHigh, cHigh, cHigh, cHigh, cHigh, cHigh, cHigh,
	cHigh, cHigh, cHigh, cHigh, cHigh, cHigh, cHigh, cHigh, // A0
	cHigh, cHigh, cHigh, cHigh, cHigh, cHigh, cHigh, cHigh,
	cHigh, cHigh, cHigh, cHigh, cHigh, cHigh, cHigh, cHigh, // B0
	cHigh, cHigh, cHigh, cHigh, cHigh, cHigh, cHigh, cHigh,
	cHigh, cHigh, cHigh, cHigh, cHigh, cHigh, cHigh, cHigh, // C0
	cHigh, cHigh, cHigh, cHigh, cHigh, cHigh, cHigh, cHigh,
	cHigh, cHigh, cHigh, cHigh, cHigh, cHigh, cHigh, cHigh, // D0
	cHigh, cHigh, cHigh, cHigh, cHigh, cHigh, cHigh, cHigh,
	cHigh, cHigh, cHigh, cHigh, cHigh, cHigh, cHigh, cHigh, // E0
	cHigh, cHigh, cHigh, cHigh, cHigh, cHigh, cHigh, cHigh,
	cHigh, cHigh, cHigh, cHigh, cHigh, cHigh, cHigh, cHigh, // F0
	cHigh, cHigh, cHigh, cHigh, cHigh, cHigh, cHigh, cHigh,
}
