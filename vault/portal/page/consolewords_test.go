package page_test

import (
	"github.com/fieldvault/fieldvault/vault/portal/page"
	"github.com/fieldvault/fieldvault/vault/rights"
)

// allReasons are those of package rights.
func allReasons() (list []page.RequestReason) {
	for _, r := range rights.AllReasons() {
		list = append(list, page.RequestReason(r))
	}
	return list
}
