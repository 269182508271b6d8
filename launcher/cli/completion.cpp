#include "launcher/cli/completion.hpp"

#include <map>
#include <set>
#include <sstream>

#include <fmt/format.h>

#include "launcher/cli/command.hpp"

namespace vitrail::launcher {
namespace {

// "a, b or c" -> "a b c"
std::string words_of(const std::string& choices) {
  std::istringstream text(choices);
  std::string words;
  for (std::string word; text >> word;) {
    if (word.ends_with(',')) word.pop_back();
    if (word != "or") words += (words.empty() ? "" : " ") + word;
  }
  return words;
}

// Of a command whose words are kept for another, that one's as well: `sweep` takes what `launch` does.
std::string options_of(const Command& command, const std::vector<Option>& options) {
  const Command* other = find_command(command.collects_for);
  std::set<std::string> met;
  std::string words;
  for (const Option& option : options) {
    if (!option.used_by(command) && !(other && option.used_by(*other))) continue;
    if (met.insert(option.key).second) words += (words.empty() ? "--" : " --") + option.key;
  }
  return words;
}

std::string in_quotes(const std::string& words) { return "\"" + words + "\""; }

}  // namespace

std::string bash_completion(const std::vector<Option>& options) {
  std::string names, of_commands, values;
  for (const Command& command : commands()) {
    names += command.name + " ";
    of_commands +=
        fmt::format("    {}) offered={} ;;\n", command.name, in_quotes(options_of(command, options)));
  }
  std::map<std::string, std::string> patterns;  // by the words that are offered behind them
  for (const Option& option : options) {
    if (option.choices.empty()) continue;
    for (const Command* command : option.commands) {
      std::string& pattern = patterns[words_of(option.choices)];
      const std::string one = in_quotes((option.is_setting() ? "" : command->name) + " --" + option.key);
      const std::string whole = option.is_setting() ? "*" + one : one;
      if (pattern.find(whole) == std::string::npos) pattern += (pattern.empty() ? "" : " | ") + whole;
    }
  }
  for (const auto& [words, pattern] : patterns)
    values += fmt::format("    {}) offered={} ;;\n", pattern, in_quotes(words));
  return fmt::format(
      "# bash completion of vitrail: source it, or keep it as\n"
      "# ~/.local/share/bash-completion/completions/vitrail\n"
      "_vitrail() {{\n"
      "  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}} offered=\n"
      "  COMPREPLY=()\n"
      "  if ((COMP_CWORD == 1)); then\n"
      "    mapfile -t COMPREPLY < <(compgen -W {} -- \"$word\")\n"
      "    return\n"
      "  fi\n"
      "  case \"${{COMP_WORDS[1]}} $before\" in\n{}"
      "  esac\n"
      "  if [[ -z $offered && $word == -* ]]; then\n"
      "    case ${{COMP_WORDS[1]}} in\n{}"
      "    esac\n"
      "  fi\n"
      "  [[ -z $offered ]] || mapfile -t COMPREPLY < <(compgen -W \"$offered\" -- \"$word\")\n"
      "}}\n"
      "complete -o default -F _vitrail vitrail\n",
      in_quotes(names), values, of_commands);
}

}  // namespace vitrail::launcher
