package api

// A FieldIndex says how a field can be searched.
type FieldIndex struct {
	Kind   string       `json:"kind" enum:"equality,partial" doc:"partial: not by equality"`
	Bits   int          `json:"bits,omitempty" doc:"Of an entry of a whole value; absent: equality is not indexed"`
	Prefix *PrefixIndex `json:"prefix,omitempty" doc:"It can be searched by its beginning"`
	NGrams *NGramIndex  `json:"ngrams,omitempty" doc:"It can be searched by a part of it"`
	Range  *RangeIndex  `json:"range,omitempty" doc:"It can be searched by a range"`
	Leaks  []string     `json:"leaks,omitempty" doc:"What a thief of the database learns from it, beyond which values are equal"`
}

// A PrefixIndex finds values by their first characters.
type PrefixIndex struct {
	Min  int `json:"min" doc:"Characters that are needed at least"`
	Max  int `json:"max" doc:"Characters that are indexed at most; longer ones are compared in full"`
	Bits int `json:"bits"`
}

// An NGramIndex finds values by a part of them.
type NGramIndex struct {
	N    int `json:"n" doc:"Characters that are needed at least"`
	Bits int `json:"bits"`
}

// A RangeIndex finds numbers and dates by a range.
type RangeIndex struct {
	Low   int64  `json:"low,omitempty" doc:"Where the intervals of a number begin"`
	High  int64  `json:"high,omitempty" doc:"Where they end"`
	Width int64  `json:"width,omitempty" doc:"Of one of them"`
	By    string `json:"by,omitempty" enum:"day,month,quarter,year" doc:"The intervals of a date"`
	Bits  int    `json:"bits"`
}
