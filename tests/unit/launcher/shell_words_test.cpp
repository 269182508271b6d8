#include "launcher/options/shell_words.hpp"

#include <gtest/gtest.h>

#include "launcher/ranks/command_output.hpp"

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

TEST(ShellWords, AreReadBackAsTheyWere) {
  // By a shell itself: Boost's words know no single quotes around a backslash, and no empty word.
  for (const std::string word :
       {"plain", "", "two words", "it's", R"(a\"b$c)", "~", "#no", "a&b", "*", "a\nb"})
    EXPECT_EQ(output_of({"printf", "%s", word}).text, word) << shell_quoted(word);
  EXPECT_EQ(shell_quoted("--nodes=2"), "--nodes=2");
}

}  // namespace
}  // namespace vitrail::launcher
