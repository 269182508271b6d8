#include "datasets/subsets/class_subset.hpp"

#include <gmock/gmock.h>

#include "datasets/augment/transform.hpp"
#include "datasets/pack_dataset.hpp"
#include "tests/unit/datasets/pack_fixture.hpp"

namespace vitrail::datasets {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class ClassSubsetTest : public PackTest {
 protected:
  ClassSubsetTest() { pack(options(make_folder("images", 6, 50), "pack", 3000)); }

  std::shared_ptr<const Dataset> all() const { return open_dataset((dir_ / "pack").string()); }
  std::shared_ptr<const Dataset> kept(const std::string& list) const {
    put("list", list);
    return open_dataset((dir_ / "pack").string(), {.classes = (dir_ / "list").string()});
  }
};

TEST_F(ClassSubsetTest, KeepsTheOrderAndRenumbersAsListed) {
  const auto whole = all();
  const auto subset = kept("# two classes\nn00000004\r\n\n  n00000001 # the second\n");
  EXPECT_EQ(subset->classes(), 2);
  EXPECT_EQ(subset->class_id(0), "n00000004");
  EXPECT_EQ(subset->class_name(1), "n00000001");
  std::int64_t next = 0;
  for (std::int64_t i = 0; i < whole->size(); ++i) {
    const std::int64_t label = whole->label(i);
    if (label != 4 && label != 1) continue;
    ASSERT_LT(next, subset->size());
    EXPECT_EQ(subset->label(next), label == 4 ? 0 : 1);
    EXPECT_EQ(subset->name(next), whole->name(i));
    EXPECT_EQ(whole->name(i).find('\0'), std::string::npos);
    EXPECT_EQ(subset->read(next).encoded, whole->read(i).encoded);
    EXPECT_EQ(subset->place(next), whole->place(i));
    ++next;
  }
  EXPECT_EQ(next, subset->size());
  EXPECT_EQ(next, 100);
}

TEST_F(ClassSubsetTest, AByteOrderMarkIsNoPartOfTheFirstClass) {
  EXPECT_EQ(kept("\xef\xbb\xbfn00000004\nn00000001\n")->class_id(0), "n00000004");
}

TEST_F(ClassSubsetTest, ExtentsHoldTheSameRecords) {
  const auto subset = kept("n00000000\nn00000001\nn00000002\nn00000003\nn00000005\n");
  const std::uint64_t calls = subset->read_count().calls;
  const auto extent = subset->read_extent(10, 100);
  ASSERT_NE(extent, nullptr);
  EXPECT_LT(subset->read_count().calls - calls, 50U);  // a read for each shard that they lie in
  for (std::int64_t i = 10; i < 110; ++i) EXPECT_EQ(extent->read(i).encoded, subset->read(i).encoded);
  EXPECT_EQ(kept("n00000001\n")->read_extent(0, 40), nullptr);  // a sixth of what lies there
}

TEST_F(ClassSubsetTest, TheListIsPartOfTheIdentity) {
  const auto print = [&](const std::string& list) { return kept(list)->fingerprint(); };
  EXPECT_EQ(print("n00000001\nn00000002"), print("n00000001 # one\n\nn00000002\n"));
  EXPECT_NE(print("n00000001\nn00000002"), print("n00000002\nn00000001"));
  EXPECT_NE(print("n00000001"), all()->fingerprint());
}

TEST_F(ClassSubsetTest, ListsThatCannotBeMeantAreRefusedByLine) {
  const auto refused = [&](const std::string& list) { return error_of([&] { kept(list); }); };
  EXPECT_EQ(refused("n00000001\nn09999999\n").code(), ExitCode::refused);
  EXPECT_THAT(refused("n00000001\nn09999999\n").what(), AllOf(HasSubstr("list:2"), HasSubstr("n09999999")));
  EXPECT_EQ(refused("n00000001\n\nn00000001\n").code(), ExitCode::usage);
  EXPECT_THAT(refused("n00000001\n\nn00000001\n").what(), AllOf(HasSubstr("list:3"), HasSubstr("line 1")));
  EXPECT_THAT(refused("# nothing\n").what(), HasSubstr("no class is listed"));
}

TEST_F(ClassSubsetTest, ARemarkFollowsABlank) {
  EXPECT_THAT(error_of([&] { kept("n00000001#\n"); }).what(), HasSubstr("n00000001#"));
  EXPECT_EQ(kept("n00000001\t# one\n  # two\n")->classes(), 1);
}

TEST_F(ClassSubsetTest, NamesServeWhereThereAreNoWnids) {
  put("list", "texture 2\n");
  const auto subset = open_dataset("synthetic:20,3,8", {.classes = (dir_ / "list").string()});
  EXPECT_EQ(subset->size(), 6);  // 2, 5, ..., 17
  EXPECT_EQ(subset->label(5), 0);
}

}  // namespace
}  // namespace vitrail::datasets
