#include "launcher/options/shell_words.hpp"

#include <gtest/gtest.h>

namespace vitrail::launcher {
namespace {

TEST(ShellWords, AreSplitAsAShellWouldOrNotAtAll) {
  using Words = std::vector<std::string>;
  EXPECT_EQ(shell_words(R"(--mem=2G --comment="two words" -l)"),
            (Words{"--mem=2G", "--comment=two words", "-l"}));
  EXPECT_EQ(shell_words(R"(it\"s)"), (Words{"it\"s"}));
  for (const char* text : {"-C 'a b", "\"", R"(a\)", R"('it\')"})
    EXPECT_EQ(shell_words(text), std::nullopt) << text;
}

}  // namespace
}  // namespace vitrail::launcher
