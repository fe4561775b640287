package freetext

import (
	"net/netip"
	"strings"
)

const mostAddress = 45 // bytes of an IPv6 address with an IPv4 one at its end

// addresses tries runs of the characters of IP addresses.
func (s *scan) addresses() {
	for i := 0; i < len(s.text); {
		s.steps++
		if !addressByte(s.text[i]) {
			i++
			continue
		}
		start, marks := i, 0
		for i < len(s.text) && addressByte(s.text[i]) {
			if s.text[i] == '.' || s.text[i] == ':' {
				marks++
			}
			s.steps++
			i++
		}
		end := start + len(strings.TrimRight(s.text[start:i], "."))
		if end > start+1 && s.text[end-1] == ':' && s.text[end-2] != ':' {
			end--
		}
		if marks >= 2 && end-start <= mostAddress+6 {
			s.address(start, end)
		}
	}
}

func addressByte(c byte) bool {
	return digit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' || c == '.' || c == ':'
}

func (s *scan) address(start, end int) {
	if start > 0 && (letterBefore(s.text, start) || strings.IndexByte("_-", s.text[start-1]) >= 0) || s.goesOn(end) {
		return
	}
	text := s.text[start:end]
	if strings.Count(text, ":") == 1 { // a port
		text, _, _ = strings.Cut(text, ":")
		end = start + len(text)
	}
	if !strings.ContainsAny(text, "0123456789") { // a::b, of a program
		return
	}
	a, err := netip.ParseAddr(text)
	if err != nil || a.IsLoopback() || a.IsUnspecified() || a.IsMulticast() {
		return
	}
	if a.Is4() && s.near(start, 20, "version", "v.", "release", "build", "firmware", "section", "kapitel", "abschnitt", "update") {
		return
	}
	s.add(IPAddress, start, end, Strong, "the form of an IP address")
}
