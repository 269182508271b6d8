#include "launcher/cli/help.hpp"

#include <algorithm>
#include <sstream>
#include <string_view>

#include <fmt/format.h>

#include "launcher/cli/command.hpp"
#include "launcher/cli/command_line.hpp"
#include "launcher/options/options.hpp"

namespace vitrail::launcher {
namespace {

constexpr std::size_t kWidth = 100;
constexpr std::size_t kWidestLeft = 36;  // a longer left side pushes its text to the next line

// Pieces that stay whole, side by side; a line that is full goes on at `column`.
class Paragraph {
 public:
  Paragraph(const std::string& left, std::size_t column) : text_(left), used_(left.size()), column_(column) {
    if (used_ + 2 > column_) end_line();
  }

  bool fits(std::size_t width) const { return !begun_ || used_ + 1 + width <= kWidth; }

  void add(const std::string& piece) {
    if (!fits(piece.size())) end_line();
    const std::size_t blanks = begun_ ? 1 : column_ - used_;
    text_ += std::string(blanks, ' ') + piece;
    used_ += blanks + piece.size();
    begun_ = true;
  }

  void end_line() {
    text_ += '\n';
    used_ = 0;
    begun_ = false;
  }

  std::string text() const { return text_ + '\n'; }

 private:
  std::string text_;
  std::size_t used_, column_;
  bool begun_ = false;
};

void add_words(Paragraph& paragraph, std::string_view text) {
  std::istringstream words{std::string(text)};
  for (std::string word; words >> word;) paragraph.add(word);
}

std::string default_of(const Option& option, const Command& command) {
  const std::string value = option.get(CommandLine(command)).value_or("");
  if (option.about.required) return "required";
  if (option.is_switch) return "";
  if (!value.empty()) return "default " + value;
  return option.about.absent.empty() ? "" : "default: " + option.about.absent;
}

// The facts stand behind the help if all of them fit there, else on lines of their own.
std::string describe(const Option& option, const Command& command, const std::vector<Option>& options,
                     std::size_t column) {
  Paragraph paragraph("  " + left_side(option), column);
  add_words(paragraph, option.about.help);
  const std::vector<std::string> pieces = facts(option, command, options);
  std::size_t width = pieces.size();
  for (const std::string& piece : pieces) width += piece.size();
  if (!pieces.empty() && !paragraph.fits(width - 1)) paragraph.end_line();
  for (const std::string& piece : pieces) paragraph.add(piece);
  return paragraph.text();
}

}  // namespace

std::string section_of(const Option& option) {
  return option.is_setting() ? option.key.substr(0, option.key.find('.')) : "flags";
}

std::string left_side(const Option& option) {
  const std::string letter = option.about.letter ? fmt::format("-{}, ", option.about.letter) : "";
  const std::string value = option.is_switch ? "" : " " + option.about.placeholder;
  return fmt::format("{}--{}{}", letter, option.key, value);
}

std::vector<std::string> facts(const Option& option, const Command& command,
                               const std::vector<Option>& options) {
  std::vector<std::string> parts = {option.choices, option.limits(), default_of(option, command)};
  for (const Condition& condition : option.about.when) {
    const Option* other = find_option(options, condition.key, command);
    if (other == nullptr || other->used_by(command)) parts.push_back("needs " + condition.text);
  }
  std::erase(parts, "");
  for (std::size_t i = 0; i < parts.size(); ++i) {
    parts[i] = fmt::format("{}{}{}", i == 0 ? "[" : "", parts[i], i + 1 == parts.size() ? "]" : ";");
  }
  return parts;
}

std::string help_text() {
  std::string text =
      "vitrail trains deep vision transformers over MPI; what a run computes does not depend on how many\n"
      "ranks it has.\n\n"
      "usage: vitrail COMMAND [--config FILE ...] [--section.key VALUE ...]\n\ncommands\n";
  for (const Command& info : commands()) {
    Paragraph paragraph(fmt::format("  {}", info.name), 15);
    add_words(paragraph, info.summary);
    text += paragraph.text();
  }
  return text +
         "\nvitrail COMMAND --help lists the options of a command.\n"
         "vitrail --version prints the version.\n\n"
         "exit codes: 0 done, 2 unknown or malformed option, 65 bad data, 74 I/O, 78 invalid configuration,\n"
         "85 checkpoint saved, requeue the job, 86 a rank hung or timed out, 87 training diverged\n";
}

std::string help_text(const Command& command, const std::vector<Option>& options) {
  std::size_t column = 0;
  for (const Option& option : options) {
    const std::size_t width = left_side(option).size() + 2;
    if (option.used_by(command) && width <= kWidestLeft) column = std::max(column, width + 2);
  }
  std::string text = fmt::format("vitrail {}: {}\n\nusage: vitrail {} {}\nexample: {}\n", command.name,
                                 command.summary, command.name, command.usage, command.example);
  text += command.note;
  std::string section;
  for (const Option& option : options) {
    if (!option.used_by(command)) continue;
    if (section_of(option) != section) {
      section = section_of(option);
      text += "\n" + section + "\n";
    }
    text += describe(option, command, options, column);
  }
  return text;
}

}  // namespace vitrail::launcher
