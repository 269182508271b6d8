// One option: its key, what help and errors say of it, and how its text becomes a field of CommandLine and
// back. A Section binds the fields of one struct; the table itself is launcher/options/options.cpp.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "launcher/cli/command_line.hpp"
#include "launcher/options/option_value.hpp"

namespace vitrail::launcher {

struct Bounds {
  std::optional<double> low = {}, high = {};
  bool low_excluded = false, high_excluded = false;

  bool contain(double value) const;
  std::string text() const;  // "1 to 65536", "> 0", ">= 0, < 1"; empty without bounds
};
Bounds from_to(double low, double high);
Bounds from_below(double low, double high);  // high excluded
Bounds above_to(double low, double high);    // low excluded
Bounds at_least(double low);
Bounds above(double low);

// When an option does anything at all: it depends on another one.
struct Condition {
  std::string key;   // the other one; empty where the text says it all
  std::string text;  // "schedule.name = cosine"
  std::function<bool(const CommandLine&)> holds;
};

// A rule of a single value that bounds can't say.
template <class T>
struct Rule {
  std::string words;  // "a power of two"
  std::function<bool(const T&)> holds;
  std::function<std::string(const T&)> complaint = {};  // what is wrong with a value, where that can be told
};

struct About {
  std::string help;
  Bounds bounds = {};
  std::string unit = {};
  std::string placeholder = {};  // the type's own where empty
  std::string absent = {};       // what an empty value means
  std::vector<Condition> when = {};
  std::vector<Command> commands = {};  // the section's own where empty
  bool required = false;               // by every command that uses it
  char letter = '\0';                  // -n
  std::string alone = {};              // the value of a flag that may stand without one
};

struct Option {
  std::string key;  // "run.lanes"; flags of single commands have no section: "source"
  About about;
  std::string form;     // "a whole number"; "cosine or constant"
  std::string choices;  // the form again where it is a list of words, which help shows
  std::string rule;
  bool is_switch = false;  // stands alone, without a value

  // False: not of the form, out of bounds or against the rule; the command line is as before.
  std::function<bool(CommandLine&, const std::string&)> set;
  std::function<std::optional<std::string>(const CommandLine&)> get;
  std::function<std::string(const std::string&)> complaint;  // of a text that set() refuses; may be empty

  bool is_setting() const { return key.find('.') != std::string::npos; }  // may stand in a config file
  bool used_by(Command command) const;
  std::string limits() const;                             // "1 to 65536 lanes, a power of two"; may be empty
  std::string expected() const;                           // form and limits
  std::string refusal(const std::string& text) const;     // "what is wrong: expected form and limits"
  const Condition* unmet(const CommandLine& line) const;  // the first condition that fails, or null
};

// Options of one struct. Reach: (CommandLine&) -> Owner&, const alike.
template <class Reach>
class Section {
 public:
  using Owner = std::remove_reference_t<std::invoke_result_t<Reach, CommandLine&>>;

  // Without a name: flags of single commands.
  Section(std::vector<Option>& table, std::string name, std::vector<Command> commands, Reach reach)
      : table_(table), name_(std::move(name)), commands_(std::move(commands)), reach_(reach) {}

  template <class T>
  void add(const std::string& name, T Owner::*member, About about,
           Rule<std::type_identity_t<T>> rule = {}) const {
    Option option = named(name, std::move(about), form_of(T{}));
    option.rule = rule.words;
    const bool is_words = std::is_same_v<T, std::string> || std::is_same_v<T, Duration>;
    if (is_words && !rule.words.empty()) option.form.clear();  // the rule says more
    option.is_switch = std::is_same_v<T, bool> && name_.empty();
    option.set = [reach = reach_, member, bounds = option.about.bounds, rule](CommandLine& line,
                                                                              const std::string& text) {
      T value = reach(line).*member;
      if (!read(text, value)) return false;
      const std::optional<double> size = magnitude(value);
      if ((size && !bounds.contain(*size)) || (rule.holds && !rule.holds(value))) return false;
      reach(line).*member = std::move(value);
      return true;
    };
    option.get = [reach = reach_, member](const CommandLine& line) { return show(reach(line).*member); };
    if (rule.complaint) {
      option.complaint = [rule](const std::string& text) {
        T value{};
        return read(text, value) ? rule.complaint(value) : std::string();
      };
    }
    table_.push_back(std::move(option));
  }

  template <class E>
  void choice(const std::string& name, E Owner::*member, std::vector<std::pair<E, std::string>> names,
              About about) const {
    std::string words;
    for (std::size_t i = 0; i < names.size(); ++i) {
      words += (i == 0 ? "" : i + 1 == names.size() ? " or " : ", ") + names[i].second;
    }
    Option option = named(name, std::move(about), {"NAME", words});
    option.choices = words;
    option.set = [reach = reach_, member, names](CommandLine& line, const std::string& text) {
      for (const auto& [value, word] : names) {
        if (word != text) continue;
        reach(line).*member = value;
        return true;
      }
      return false;
    };
    option.get = [reach = reach_, member, names](const CommandLine& line) {
      for (const auto& [value, word] : names) {
        if (value == reach(line).*member) return std::optional(word);
      }
      return std::optional<std::string>();
    };
    table_.push_back(std::move(option));
  }

 private:
  Option named(const std::string& name, About about, const Form& form) const {
    Option option;
    option.key = name_.empty() ? name : name_ + "." + name;
    option.about = std::move(about);
    option.form = form.words;
    if (option.about.placeholder.empty()) option.about.placeholder = form.placeholder;
    if (option.about.commands.empty()) option.about.commands = commands_;
    return option;
  }

  std::vector<Option>& table_;
  std::string name_;
  std::vector<Command> commands_;
  Reach reach_;
};

}  // namespace vitrail::launcher
