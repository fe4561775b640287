package fpe

import "errors"

// What a caller can act on. No error holds the text, the tweak or the key, nor any part of them.
var (
	// ErrKey means that the key is not 16, 24 or 32 bytes long.
	ErrKey = errors.New("fpe: the key must have 16, 24 or 32 bytes")
	// ErrAlphabet means that an alphabet has too few or too many characters, one of them twice, or
	// one that is no character.
	ErrAlphabet = errors.New("fpe: not an alphabet")
	// ErrLength means that the text is too short for FF1 to be safe, or too long.
	ErrLength = errors.New("fpe: length out of range")
	// ErrCharacter means that the text has a character that the alphabet lacks, or is not UTF-8.
	ErrCharacter = errors.New("fpe: the text has a character that is not in the alphabet")
	// ErrTweak means that the tweak is longer than MaxTweak.
	ErrTweak = errors.New("fpe: the tweak is too long")
)
