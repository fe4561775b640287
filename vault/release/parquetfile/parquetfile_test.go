package parquetfile_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"github.com/fieldvault/fieldvault/vault/pacetest"
	"github.com/fieldvault/fieldvault/vault/release/parquetfile"
)

// read returns the rows of a file, with the columns in the order of their names.
func read(t *testing.T, file []byte) (names []string, rows [][]string) {
	t.Helper()
	f, err := parquet.OpenFile(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range f.Schema().Fields() {
		names = append(names, field.Name())
	}
	for _, g := range f.RowGroups() {
		in := g.Rows()
		defer in.Close() //nolint:errcheck // it was only read
		for buf := make([]parquet.Row, 100); ; {
			n, err := in.ReadRows(buf)
			for _, r := range buf[:n] {
				row := make([]string, len(r))
				for _, v := range r {
					if !v.IsNull() {
						row[v.Column()] = string(v.ByteArray())
					}
				}
				rows = append(rows, row)
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	return names, rows
}

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	for _, n := range []int{0, 1, 1000, 300_000 / pacetest.Every(10)} {
		in, want := make([][]string, n), [][]string(nil)
		for i := range in {
			in[i] = []string{fmt.Sprintf("%d-%d", i%7*10, i%7*10+9), "=1+1", "", "日本"}
			want = append(want, []string{"", in[i][0], "=1+1", "日本"})
		}
		var file, again bytes.Buffer
		for _, w := range []io.Writer{&file, &again} {
			if err := parquetfile.Write(w, []string{"b", "c", "a", "d"}, slices.Values(in)); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(file.Bytes(), again.Bytes()) {
			t.Error("the same rows give other bytes")
		}
		names, got := read(t, file.Bytes())
		if !slices.Equal(names, []string{"a", "b", "c", "d"}) || !cmp.Equal(got, want) {
			t.Errorf("of %d rows %d come back as %v: %s", n, len(got), names, cmp.Diff(want[:min(n, 2)], got[:min(len(got), 2)]))
		}
	}
}

func TestATableThatIsNoneIsRefused(t *testing.T) {
	for _, names := range [][]string{nil, {"a", "a"}, {"a"}} {
		err := parquetfile.Write(io.Discard, names, slices.Values([][]string{{"1", "2"}}))
		if err == nil {
			t.Errorf("columns %v are accepted with a row of two values", names)
		}
	}
}
