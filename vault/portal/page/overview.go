package page

import "time"

// Overview shows what is held about the person and why.
type Overview struct {
	// Collections in the order of the catalog. None: nothing is held.
	Collections []Collection
}

func (Overview) about() about {
	return about{name: "overview", title: "overview.title", area: areaPerson, place: sectionData}
}

// A Collection is a kind of record.
type Collection struct {
	Title   string // of the catalog
	Records []Record
}

// A Record is one record of the person.
type Record struct {
	// Day tells it from others of its collection; without one it has a number. Optional.
	Day time.Time
	// Correct leads to the page that corrects it. Optional.
	Correct string
	Fields  []Held
}

// Held is a field with the person's own value.
type Held struct {
	Title, Value string
	// Day is the value of a date, instead of Value.
	Day time.Time
	// Purposes are the titles of those it is used for.
	Purposes []string
	// Until is when it is deleted by itself; zero: not by a date.
	Until time.Time
}
