package fpe

import (
	"crypto/aes"
	"crypto/cipher"
	"sync"
)

const (
	// MaxLen is how many characters a text may have.
	MaxLen = 4096
	// MaxTweak is how many bytes a tweak may have.
	MaxTweak = 4096
)

const rounds = 10

// A Cipher encrypts texts over one alphabet under one key. It is safe for concurrent use.
type Cipher struct {
	block    cipher.Block
	alphabet *Alphabet
	wide     bool // never use the arithmetic of 64 bits; for tests
	states   sync.Pool
}

// New returns the cipher of an AES key of 16, 24 or 32 bytes. The key is not kept: the caller
// erases it. (What AES derives from it stays in memory as long as the Cipher.) Use a key for
// nothing else than FF1, and for one alphabet.
//
// The error is ErrKey or, without an alphabet, ErrAlphabet.
func New(key []byte, a *Alphabet) (*Cipher, error) {
	if a == nil || a.min == 0 {
		return nil, ErrAlphabet
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, ErrKey
	}
	return &Cipher{block: block, alphabet: a, states: sync.Pool{New: func() any { return new(state) }}}, nil
}

// Encrypt returns a text of as many characters of the alphabet as text has. The tweak may be
// empty, and need not be secret; what was encrypted with it decrypts only with it.
//
// The error is ErrLength, ErrCharacter or ErrTweak.
func (c *Cipher) Encrypt(tweak []byte, text string) (string, error) {
	return c.run(tweak, text, false)
}

// Decrypt returns the text of which Encrypt makes this one. Every text of the right form is
// accepted: a wrong key or tweak is not noticed.
//
// The error is ErrLength, ErrCharacter or ErrTweak.
func (c *Cipher) Decrypt(tweak []byte, text string) (string, error) {
	return c.run(tweak, text, true)
}

func (c *Cipher) run(tweak []byte, text string, decrypt bool) (string, error) {
	if len(tweak) > MaxTweak {
		return "", ErrTweak
	}
	s, _ := c.states.Get().(*state)
	defer func() {
		s.wipe()
		c.states.Put(s)
	}()
	var err error
	if s.numerals, err = c.alphabet.numerals(s.numerals[:0], text); err != nil {
		return "", err
	}
	s.begin(c.block, c.alphabet.Radix(), tweak)
	if s.fits64() && !c.wide {
		s.run64(c.block, decrypt)
	} else {
		s.runBig(c.block, decrypt)
	}
	s.text = c.alphabet.appendText(s.text[:0], s.numerals)
	return string(s.text), nil
}
