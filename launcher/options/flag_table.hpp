// The flags of one command, bound to the fields of its own struct; CommandLine::flags holds that struct.
#pragma once

#include <algorithm>
#include <concepts>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "launcher/cli/command_line.hpp"
#include "trainer/settings/settings.hpp"

namespace vitrail::launcher {

using trainer::above;
using trainer::above_to;
using trainer::at_least;
using trainer::from_to;

template <class F>
class FlagTable {
 public:
  // Members of F or of a struct that it inherits. A name with a section may stand in config files as well.
  template <class T, class Owner>
  requires std::derived_from<F, Owner>
  void add(const std::string& name, T Owner::*member, About about,
           trainer::Rule<std::type_identity_t<T>> rule = {}) {
    T F::*own = member;
    auto when = std::move(about.when);
    put(trainer::field_of<F>(name, kItself, own, without_conditions(about), std::move(rule)), std::move(when),
        std::is_same_v<T, bool>);
  }

  template <class E, class Owner>
  requires std::derived_from<F, Owner>
  void choice(const std::string& name, E Owner::*member, std::vector<std::pair<E, std::string>> names,
              About about) {
    E F::*own = member;
    auto when = std::move(about.when);
    put(trainer::choice_of<F>(name, kItself, own, std::move(names), without_conditions(about)),
        std::move(when), false);
  }

  // Another name for a setting, under which the command requires it.
  void alias(const std::string& name, const std::string& setting, About about) {
    const Option whole = option_of(*trainer::find_setting(setting));
    const trainer::Field<CommandLine>& part = whole;
    trainer::Field<CommandLine> field = part;
    field.key = name;
    field.about = std::move(about);
    options_.emplace_back(std::move(field));
  }

  void format(OutputFormat F::*member, const std::vector<Condition>& when = {}) {
    choice("format", member, {{OutputFormat::text, "text"}, {OutputFormat::json, "json"}},
           {.help = "a text to read, or one JSON document", .placeholder = "FORM", .when = when});
  }

  void config_files() { add_config_flags(options_); }

  // With --help, and flags before settings, as help shows them.
  std::vector<Option> done() {
    add_help_flag(options_);
    std::stable_partition(options_.begin(), options_.end(),
                          [](const Option& option) { return !option.is_setting(); });
    return std::move(options_);
  }

 private:
  static constexpr auto kItself = [](auto& flags) -> auto& { return flags; };

  static trainer::About<F> without_conditions(const About& about) {
    return {.help = about.help,
            .bounds = about.bounds,
            .unit = about.unit,
            .placeholder = about.placeholder,
            .absent = about.absent,
            .required = about.required,
            .letter = about.letter,
            .alone = about.alone};
  }

  // What stands in a file for another command is checked as well, and dropped.
  void put(trainer::Field<F> own, std::vector<Condition> when, bool is_bool) {
    trainer::Field<CommandLine> field = described_as(own, std::move(when));
    field.set = [set = own.set](CommandLine& line, const std::string& text) {
      F of_another;
      F* flags = std::any_cast<F>(&line.flags);
      return set(flags == nullptr ? of_another : *flags, text);
    };
    field.get = [get = own.get](const CommandLine& line) {
      const F* flags = std::any_cast<F>(&line.flags);
      return get(flags == nullptr ? F() : *flags);
    };
    Option option(std::move(field));
    option.is_switch = is_bool && !option.is_setting();
    options_.push_back(std::move(option));
  }

  std::vector<Option> options_;
};

}  // namespace vitrail::launcher
