// SPDX-License-Identifier: Apache-2.0
#include "cli/table.h"

#include <gtest/gtest.h>

namespace headgate::cli {
namespace {

TEST(Table, ColumnsAreAsWideAsTheirWidestCellAndNumbersStandRight) {
  Table table({"RULE", "N"}, {false, true});
  table.add({"web", "12345"});
  table.add({"a-long-name", "1"});
  EXPECT_EQ(table.to_string(),
            "RULE             N\n"
            "web          12345\n"
            "a-long-name      1\n");
}

TEST(Table, LinesHaveNoTrailingSpaces) {
  Table table({"A", "B"}, {false, false});
  table.add({"1", ""});
  EXPECT_EQ(table.to_string(), "A  B\n1\n");
}

}  // namespace
}  // namespace headgate::cli
