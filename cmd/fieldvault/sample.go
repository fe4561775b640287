package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/fieldvault/fieldvault/cmd/fieldvault/importer"
	"github.com/fieldvault/fieldvault/deploy/sample"
	"github.com/fieldvault/fieldvault/vault"
)

// loadSample puts the sample into an empty vault: catalog and policy where the
// tenant has none, and the people where there are none. What somebody changed,
// deleted or erased since stays so.
func (p *parts) loadSample(ctx context.Context, w world, people bool) error {
	op := operator(p.cfg.Tenant, "operator")
	_, err := p.vault.Catalog(ctx, p.cfg.Tenant)
	fresh := err != nil
	if fresh {
		if _, err := p.vault.ApplyCatalog(ctx, op, sample.Catalog(), false); err != nil {
			return fmt.Errorf("applying the sample catalog: %w", err)
		}
		if _, _, err := p.vault.ApplyPolicy(ctx, op, sample.Policy(), false); err != nil {
			return fmt.Errorf("applying the sample policy: %w", err)
		}
	}
	if !people || !fresh && p.hasSample(ctx) {
		return nil
	}
	// The customers come last and in one transaction: they are there when all is.
	if err := p.importSample(ctx, w, "invoices.csv", sample.Invoices(), sample.InvoicesImport()); err != nil {
		return err
	}
	return p.importSample(ctx, w, "customers.csv", sample.Customers(), sample.CustomersImport())
}

// hasSample says whether any customer of the sample has, or had, a record. Where it
// cannot tell, because another catalog or policy is in force, it says yes: what is
// there is no empty vault.
func (p *parts) hasSample(ctx context.Context) bool {
	by := operator(p.cfg.Tenant, "app")
	by.Purpose = "support"
	for n := 1; n <= 59; n++ {
		page, err := p.vault.List(ctx, by, fmt.Sprintf("c-%d", n), "customer", "", 1)
		if err != nil && !errors.Is(err, vault.ErrNotFound) || len(page.Records) > 0 {
			return true
		}
	}
	return false
}

// importSample writes one of the sample's files.
func (p *parts) importSample(ctx context.Context, w world, name string, rows, mapping []byte) error {
	opts, err := p.importOptions(ctx, name, rows, mapping, "app")
	if err != nil {
		return fmt.Errorf("importing the sample's %s: %w", name, err)
	}
	bar := newProgress(w.stderr, "importing "+name, countLines(rows))
	opts.Batch = 100
	opts.Progress = func(s importer.Summary) { bar.at(s.Line) }
	_, err = importer.Run(ctx, opts)
	bar.end(err)
	if err != nil {
		return fmt.Errorf("importing the sample's %s: %w", name, err)
	}
	return nil
}
