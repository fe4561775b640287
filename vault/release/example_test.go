package release_test

import (
	"fmt"
	"os"

	"github.com/fieldvault/fieldvault/vault/release"
)

func Example() {
	ages, err := release.Numbers(10, 20)
	if err != nil {
		fmt.Println(err)
		return
	}
	table, err := release.NewTable(
		release.Column{Name: "age", Role: release.Quasi, Hierarchy: ages},
		release.Column{Name: "plan", Role: release.Sensitive},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, row := range [][]string{{"21", "basic"}, {"34", "family"}, {"27", "family"}, {"38", "basic"}, {"90", "basic"}} {
		if err := table.Add(row...); err != nil {
			fmt.Println(err)
			return
		}
	}
	result, err := release.Anonymise(table, release.Model{K: 2, L: 2, T: 1, MaxSuppression: 0.2})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.Levels[0].Column, result.Levels[0].Words, "-", result.Loss.Suppressed, "left out")
	if err := result.WriteCSV(os.Stdout); err != nil {
		fmt.Println(err)
	}
	// Output:
	// age in bands of 10 - 1 left out
	// age,plan
	// 20-29,basic
	// 20-29,family
	// 30-39,basic
	// 30-39,family
}
