#include "trainer/weights/head_rows.hpp"

#include <gmock/gmock.h>

#include "trainer/base/error.hpp"

namespace vitrail::trainer {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

const std::vector<std::string> kKnown = {"n02", "n07", "n01", "n05", "n01x"};

std::string rows_refusal(const std::vector<std::string>& known, const std::vector<std::string>& wanted) {
  try {
    head_rows(known, wanted, "runs/first");
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::refused);
    return std::string(e.what()) + " | " + e.hint();
  }
  return "";
}

TEST(HeadRows, AreInTheOrderOfTheNewClasses) {
  EXPECT_EQ(head_rows(kKnown, {"n01", "n02", "n05"}, ""), (std::vector<std::int64_t>{2, 0, 3}));
  EXPECT_TRUE(head_rows(kKnown, {}, "").empty());
}

TEST(HeadRows, ClassesThatTheHeadDoesNotKnowAreNamed) {
  EXPECT_THAT(rows_refusal(kKnown, {"n01", "n09"}),
              AllOf(HasSubstr("runs/first was trained for 5 classes without n09 |"),
                    HasSubstr("data.classes"), HasSubstr("finetune.head = fresh")));
  EXPECT_THAT(rows_refusal(kKnown, {"a", "b", "c", "d", "n01", "e"}),
              AllOf(HasSubstr("without a, b, c and 2 more"), Not(HasSubstr("d,"))));
}

// "crane" is a bird and a machine; only where the head has no wnids, and only if somebody asks for it.
TEST(HeadRows, ANameOfTwoClassesIsNoAnswer) {
  EXPECT_THAT(rows_refusal({"crane", "tench", "crane"}, {"tench", "crane"}),
              HasSubstr("several are called crane"));
  EXPECT_EQ(head_rows({"crane", "tench", "crane"}, {"tench"}, ""), std::vector<std::int64_t>{1});
}

}  // namespace
}  // namespace vitrail::trainer
