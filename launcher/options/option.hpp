// One option of the program: a setting of a run, which the trainer declares, or a flag of a command
// (flag_table.hpp); with the commands that use it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "trainer/settings/setting.hpp"

namespace vitrail::launcher {

struct Command;
struct CommandLine;

using Condition = trainer::Condition<CommandLine>;
using About = trainer::About<CommandLine>;

struct Option : trainer::Field<CommandLine> {
  explicit Option(trainer::Field<CommandLine> field) : Field(std::move(field)) {}

  bool is_switch = false;                     // stands alone, without a value
  std::vector<const Command*> commands = {};  // that use it

  // May stand in a config file; flags have no section: "source".
  bool is_setting() const { return key.find('.') != std::string::npos; }
  bool used_by(const Command& command) const;
};

Option option_of(const trainer::Setting& setting);

// What help and errors say of another target's field, as of a command line's.
template <class Inner>
trainer::Field<CommandLine> described_as(const trainer::Field<Inner>& inner,
                                         const std::vector<Condition>& when) {
  return {.key = inner.key,
          .about = {.help = inner.about.help,
                    .bounds = inner.about.bounds,
                    .unit = inner.about.unit,
                    .placeholder = inner.about.placeholder,
                    .absent = inner.about.absent,
                    .when = when,
                    .required = inner.about.required,
                    .letter = inner.about.letter,
                    .alone = inner.about.alone},
          .form = inner.form,
          .choices = inner.choices,
          .rule = inner.rule,
          .complaint = inner.complaint};
}

// What all commands and those that take settings have in common.
void add_help_flag(std::vector<Option>& options);
void add_config_flags(std::vector<Option>& options);

}  // namespace vitrail::launcher
