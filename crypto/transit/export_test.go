package transit

// What fuzzing reaches without a Vault.

// ParseWrapped is parseWrapped.
func ParseWrapped(text string) (version int, ok bool) { return parseWrapped(text) }

// ParseBatch is parseBatch for decrypt, rewrap or encrypt; it returns what it
// parsed as plaintexts, texts and errors.
func ParseBatch(op string, body []byte, n int) (plain [][]byte, texts []string, errs []error, err error) {
	out, err := parseBatch(operation(op), body, n)
	for _, o := range out {
		plain, texts, errs = append(plain, o.plain), append(texts, o.text), append(errs, o.err)
	}
	return plain, texts, errs, err
}

// AppendBatch is a request with items of Unwrap's or Wrap's form.
func AppendBatch(context, plaintext []byte) []byte {
	return appendBatch(nil, [][]byte{append(appendBase64(append(openItem(context), `","plaintext":"`...), plaintext), `"}`...)})
}
