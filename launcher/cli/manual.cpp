#include "launcher/cli/manual.hpp"

#include <fmt/format.h>

#include "launcher/cli/command.hpp"
#include "launcher/cli/help.hpp"

namespace vitrail::launcher {
namespace {

// A line that begins with a dot or an apostrophe is a request, a backslash begins one, a hyphen is a dash.
std::string roff(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    const bool first = safe.empty() || safe.back() == '\n';
    if (first && (c == '.' || c == '\'')) safe += "\\&";
    if (c == '\\') {
      safe += "\\e";
    } else if (c == '-') {
      safe += "\\-";
    } else {
      safe += c;
    }
  }
  return safe;
}

std::string heading(const std::string& page, const std::string& summary) {
  std::string title = page;
  for (char& c : title) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  return fmt::format(".TH {} 1 \"\" \"vitrail {}\" \"User Commands\"\n.SH NAME\n{} \\- {}\n", title,
                     VITRAIL_VERSION, roff(page), roff(summary));
}

std::string entry(const std::string& name, const std::string& text) {
  return fmt::format(".TP\n\\fB{}\\fR\n{}\n", roff(name), roff(text));
}

std::string joined(const std::vector<std::string>& pieces) {
  std::string text;
  for (const std::string& piece : pieces) text += " " + piece;
  return text;
}

constexpr const char* kExitStatus =
    ".SH EXIT STATUS\n0 done, 2 unknown or malformed option, 65 bad data, 74 I/O, 78 invalid configuration, "
    "85 "
    "checkpoint saved, requeue the job, 86 a rank hung or timed out, 87 training diverged\n";

}  // namespace

std::string manual_page() {
  std::string text =
      heading("vitrail", "trains deep vision transformers over MPI") +
      ".SH SYNOPSIS\n\\fBvitrail\\fR COMMAND [\\-\\-config FILE ...] [\\-\\-section.key VALUE ...]\n"
      ".SH COMMANDS\n";
  for (const Command& command : commands()) text += entry(command.name, command.summary);
  return text + kExitStatus;
}

std::string manual_page(const Command& command, const std::vector<Option>& options) {
  std::string text = heading("vitrail-" + command.name, command.summary);
  text += fmt::format(".SH SYNOPSIS\n\\fBvitrail {}\\fR {}\n", roff(command.name), roff(command.usage));
  if (!command.note.empty())
    text += ".SH DESCRIPTION\n" + roff(command.note.substr(command.note.find_first_not_of('\n')));
  std::string section;
  for (const Option& option : options) {
    if (!option.used_by(command)) continue;
    const std::string own = section_of(option);
    if (own != section) text += fmt::format(".SH {}\n", own == "flags" ? "OPTIONS" : "SETTINGS OF " + own);
    section = own;
    text += entry(left_side(option), option.about.help + joined(facts(option, command, options)));
  }
  return text + fmt::format(".SH EXAMPLE\n{}\n", roff(command.example)) + kExitStatus;
}

}  // namespace vitrail::launcher
