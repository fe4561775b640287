// Package parquetfile writes a table of text as a Parquet file.
//
// Each column is an optional UTF-8 string; an empty value is null. The columns stand in the
// order of their names, as the library has it: readers find them by name. The pages are
// compressed with Snappy, which every reader knows. The same rows give the same bytes.
package parquetfile

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"

	"github.com/parquet-go/parquet-go"
)

// group is how many rows are held in memory, and make a row group of the file.
const group = 128 << 10

// Write writes rows, each with a value for each of names, to w. The names must differ.
func Write(w io.Writer, names []string, rows iter.Seq[[]string]) error {
	columns := parquet.Group{}
	for _, name := range names {
		columns[name] = parquet.Optional(parquet.Encoded(parquet.String(), &parquet.RLEDictionary))
	}
	if len(columns) != len(names) || len(names) == 0 {
		return errors.New("each column of a file needs a name of its own")
	}
	out := parquet.NewWriter(w, parquet.NewSchema("release", columns), parquet.Compression(&parquet.Snappy),
		parquet.CreatedBy("fieldvault", "", ""), parquet.MaxRowsPerRowGroup(group))
	place := places(names)
	for row := range rows {
		if len(row) != len(names) {
			return fmt.Errorf("a row has %d values, the file %d columns", len(row), len(names))
		}
		if _, err := out.WriteRows([]parquet.Row{values(row, place)}); err != nil {
			return fmt.Errorf("writing a Parquet file: %w", err)
		}
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("writing a Parquet file: %w", err)
	}
	return nil
}

// places returns, of each column of the file, which of names it has.
func places(names []string) []int {
	place := make([]int, len(names))
	for i, name := range slices.Sorted(slices.Values(names)) {
		place[i] = slices.Index(names, name)
	}
	return place
}

func values(row []string, place []int) parquet.Row {
	out := make(parquet.Row, len(row))
	for i, from := range place {
		if v := row[from]; v == "" {
			out[i] = parquet.NullValue().Level(0, 0, i)
		} else {
			out[i] = parquet.ByteArrayValue([]byte(v)).Level(0, 1, i)
		}
	}
	return out
}
