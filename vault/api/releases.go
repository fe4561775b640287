package api

import "time"

// A ReleaseRequest is the body of POST /v1/releases: a table about many people.
type ReleaseRequest struct {
	Collection string   `json:"collection"`
	Columns    []string `json:"columns,omitempty" maxItems:"64" doc:"Fields of the table; absent: all that the catalog declares for releases"`
	Format     string   `json:"format,omitempty" enum:"csv,parquet" doc:"Absent: csv"`
	K          int      `json:"k,omitempty" minimum:"0" doc:"The least number of people who look alike; absent: what the catalog declares, below which nobody may ask"`
	L          int      `json:"l,omitempty" minimum:"0" doc:"How many values of each sensitive column they have; as k"`
	T          float64  `json:"t,omitempty" minimum:"0" maximum:"1" doc:"How far their values may be from those of all; absent: what the catalog declares, above which nobody may ask"`
	// MaxSuppression is the catalog's if it is nil.
	MaxSuppression *float64 `json:"max_suppression,omitempty" minimum:"0" maximum:"1" doc:"The greatest share of people left out; as t"`
}

// A Release is a table about many people, none of whom stands alone in it.
type Release struct {
	Report ReleaseReport `json:"report"`
	Format string        `json:"format" enum:"csv,parquet"`
	Table  []byte        `json:"table" doc:"The file"`
}

// A ReleaseReport says what a table is, and what was lost on the way.
type ReleaseReport struct {
	People         int              `json:"people" doc:"In the table, before some were left out"`
	Suppressed     int              `json:"suppressed" doc:"How many of them were left out, whole"`
	Asked          string           `json:"asked" doc:"What the table meets, in words"`
	Classes        int              `json:"classes" doc:"Groups of people who look alike"`
	K              int              `json:"k" doc:"People in the smallest of them"`
	L              float64          `json:"l" doc:"The least diversity of one; 0 without a sensitive column"`
	T              float64          `json:"t" doc:"The greatest distance of one from the table"`
	Columns        []ReleasedColumn `json:"columns" doc:"How coarse each quasi-identifier became"`
	AverageClass   float64          `json:"average_class" doc:"The mean number of people in a class"`
	Precision      float64          `json:"precision" doc:"1: nothing is coarser than it was; 0: everything is left out (Sweeney, 2002)"`
	Penalty        float64          `json:"penalty" doc:"The mean certainty penalty of a value, from 0 to 1 (Xu et al., 2006)"`
	Discernibility float64          `json:"discernibility" doc:"The sum over the people of how many look alike (Bayardo and Agrawal, 2005)"`
	Next           time.Time        `json:"next" doc:"From when on the next table of the collection may be asked for, for this purpose"`
}

// A ReleasedColumn is a quasi-identifier of a table.
type ReleasedColumn struct {
	Name  string `json:"name"`
	Level int    `json:"level" doc:"0: the value itself"`
	Words string `json:"words" doc:"What stands in the table, after the name: in bands of 10"`
}
