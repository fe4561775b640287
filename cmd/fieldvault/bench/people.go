package bench

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// The fields of a person, in the order in which they are written; the names are those
// of the sample's collection customer.
var fieldNames = []string{"first_name", "last_name", "company", "address", "city", "state", "country", "postal_code", "phone", "email"} //nolint:gochecknoglobals // a table

// A country is what the values of its people are made of. In a number, a # is a digit.
type country struct {
	name, phone, post string
	first, last       []string
	places            [][2]string // city and state
	street            string      // %s the name, %d the number
}

//nolint:gochecknoglobals // a table
var countries = []country{
	{
		name: "Brazil", phone: "+55 11 9####-####", post: "#####-###", street: "Rua %s, %d",
		first: []string{"Ana", "João", "Márcia", "Luís", "Inês", "Antônio", "Beatriz", "Caio"}, last: []string{"Almeida", "Barros", "Conceição", "Farias", "Magalhães", "Nogueira", "Sá"},
		places: [][2]string{{"São Paulo", "SP"}, {"Belo Horizonte", "MG"}, {"Florianópolis", "SC"}},
	},
	{
		name: "Germany", phone: "+49 30 ########", post: "#####", street: "%sstraße %d",
		first: []string{"Anke", "Björn", "Dörte", "Jürgen", "Käthe", "Lukas", "Uwe", "Saskia"}, last: []string{"Albrecht", "Böhm", "Dietrich", "Groß", "Hübner", "Köhler", "Schäfer"},
		places: [][2]string{{"Berlin", "BE"}, {"München", "BY"}, {"Köln", "NW"}},
	},
	{
		name: "United States", phone: "+1 212 7##-####", post: "1####", street: "%d %s Avenue",
		first: []string{"Alice", "Brian", "Carmen", "Dwayne", "Erin", "Frank", "Grace", "Hector"}, last: []string{"Abbott", "Brooks", "Chavez", "Delaney", "Ellis", "Foster", "Nguyen"},
		places: [][2]string{{"New York", "NY"}, {"Albany", "NY"}, {"Buffalo", "NY"}},
	},
	{
		name: "France", phone: "+33 1 4# ## ## ##", post: "75###", street: "%d rue %s",
		first: []string{"Adèle", "Benoît", "Chloé", "Didier", "Élise", "François", "Gaëlle", "Hervé"}, last: []string{"Aubert", "Besançon", "Chevalier", "Dupré", "Lefèvre", "Moreau", "Rousseau"},
		places: [][2]string{{"Paris", "Île-de-France"}, {"Lyon", "Rhône"}, {"Nîmes", "Gard"}},
	},
	{
		name: "India", phone: "+91 98### #####", post: "5#####", street: "%d %s Road",
		first: []string{"Aarav", "Bhavna", "Chandra", "Deepak", "Esha", "Gopal", "Harini", "Ishaan"}, last: []string{"Agarwal", "Bose", "Chatterjee", "Desai", "Iyer", "Kulkarni", "Menon"},
		places: [][2]string{{"Hyderabad", "TG"}, {"Bengaluru", "KA"}, {"Chennai", "TN"}},
	},
	{
		name: "Japan", phone: "+81 3 3###-####", post: "1##-####", street: "%s %d-chome",
		first: []string{"Aiko", "Daichi", "Emi", "Haruto", "Kaori", "Makoto", "Naoki", "Yuki"}, last: []string{"Abe", "Fujita", "Hayashi", "Ishikawa", "Kobayashi", "Matsuda", "Ōta"},
		places: [][2]string{{"Tokyo", "Tokyo"}, {"Osaka", "Osaka"}, {"Sapporo", "Hokkaido"}},
	},
}

// People makes people by their number: for one seed, always the same.
type People struct{ Seed uint64 }

// ID is the external id of person n, which is another for another seed.
func (p People) ID(n int64) string {
	return "p" + strconv.FormatUint(p.Seed, 36) + "-" + strconv.FormatInt(n, 10)
}

// Values are the ten values of person n, in the order of fieldNames. An e-mail address
// is nobody else's.
func (p People) Values(n int64) [10]string {
	r := rand.New(rand.NewPCG(p.Seed, uint64(n))) //nolint:gosec // made up people, not keys
	c := &countries[r.IntN(len(countries))]
	pick := func(list []string) string { return list[r.IntN(len(list))] }
	first, last := pick(c.first), pick(c.last)
	place := c.places[r.IntN(len(c.places))]
	number := 1 + r.IntN(300)
	street := fmt.Sprintf(c.street, pick(c.last), number)
	if strings.Contains(street, "%!") {
		street = fmt.Sprintf(c.street, number, pick(c.last))
	}
	return [10]string{
		first, last, last + " & " + pick(c.last), street, place[0], place[1], c.name,
		digits(r, c.post), digits(r, c.phone), "p" + strconv.FormatInt(n, 10) + "." + strconv.Itoa(r.IntN(10_000)) + "@example.org",
	}
}

// digits puts a digit in place of each #, the first of which is not 0 or 1, which
// numbers of several countries may not begin with.
func digits(r *rand.Rand, pattern string) string {
	b := []byte(pattern)
	first := true
	for i := range b {
		if b[i] != '#' {
			continue
		}
		if b[i] = "0123456789"[r.IntN(10)]; first {
			b[i], first = "23456789"[r.IntN(8)], false
		}
	}
	return string(b)
}

// text is a value of so many bytes that nobody else has.
func text(p People, n int64, size int) string {
	r := rand.New(rand.NewPCG(p.Seed^0x7e57, uint64(n))) //nolint:gosec // made up text, not keys
	const letters = "abcdefghijklmnopqrstuvwxyz"
	b := make([]byte, size)
	for i := range b {
		b[i] = letters[r.IntN(len(letters))]
	}
	return string(b)
}
