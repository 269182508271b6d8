#include <gtest/gtest.h>

#include "trainer/base/text/table.hpp"
#include "trainer/base/text/wall_time.hpp"

namespace vitrail {
namespace {

// `date -u -d 2026-11-29T06:30:10Z +%s`
TEST(WallTime, IsReadAsItIsWritten) {
  EXPECT_EQ(seconds_of_utc("2026-11-29T06:30:10.500Z"), 1795933810.5);
  EXPECT_EQ(seconds_of_utc("1970-01-02T00:00:00.000Z"), 86400.0);
  EXPECT_TRUE(seconds_of_utc(utc_time()).has_value());
  for (const char* text : {"", "2026-11-29", "2026-11-29T06:30:10.500", "2026-11-29 06:30:10", "yesterday"})
    EXPECT_FALSE(seconds_of_utc(text).has_value()) << text;
}

TEST(Table, ColumnsAreAsWideAsTheirWidestText) {
  const Rows rows = {{"a", "long"}, {"wide", "b"}};
  EXPECT_EQ(in_columns(rows), "   a  long\nwide     b\n");
  EXPECT_EQ(in_columns(rows, Align::left), "a     long\nwide  b\n");
  EXPECT_EQ(in_columns({}), "");
}

TEST(Table, FieldsOfCsvAreQuotedWhereTheyMustBe) {
  EXPECT_EQ(csv_line({"a", "b c", "d,e", "f\"g", "h\ni", ""}), "a,b c,\"d,e\",\"f\"\"g\",\"h\ni\",\n");
}

}  // namespace
}  // namespace vitrail
