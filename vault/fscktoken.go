package vault

import (
	"context"
	"fmt"

	"github.com/google/uuid"
)

// tokens checks that the rows of tokens bear their MAC.
func (f *checking) tokens(ctx context.Context, t *tenant) error {
	var after []byte
	for {
		var page []TokenRow
		err := f.v.store.View(ctx, func(tx Tx) (err error) {
			page, err = tx.Tokens(ctx, t.row.ID, after, scanPage)
			return err
		})
		if err != nil {
			return fmt.Errorf("reading tokens: %w", err)
		}
		for i := range page {
			if !t.tokenStands(&page[i]) {
				f.report.add(t, page[i].UID, uuid.Nil, "a token does not bear its MAC: it was changed or moved by SQL, and stands for nothing")
			}
		}
		if len(page) < scanPage {
			return nil
		}
		after = page[len(page)-1].Hash
	}
}
