#include "launcher/options/flag_table.hpp"
#include "launcher/ranks/environment.hpp"
#include "launcher/report/forms.hpp"
#include "launcher/report/pictures.hpp"
#include "launcher/report/read_run.hpp"
#include "launcher/report/tensorboard/event_file.hpp"
#include "trainer/base/files/atomic_file.hpp"

namespace vitrail::launcher {
namespace {

enum class ReportForm { by_ending, html, text, csv, json, tensorboard };

struct ReportFlags {
  std::string output;
  ReportForm form = ReportForm::by_ending;
  std::optional<std::int64_t> points;
  std::string attention, preview;
  std::int64_t samples = PicturesAsked().samples;
};

struct Ending {
  const char* ending;
  ReportForm form;
};
constexpr Ending kEndings[] = {{".html", ReportForm::html},
                               {".htm", ReportForm::html},
                               {".txt", ReportForm::text},
                               {".csv", ReportForm::csv},
                               {".json", ReportForm::json}};

// As asked for, else as the file's name ends; nothing where it ends otherwise.
std::optional<ReportForm> form_of(const ReportFlags& flags) {
  if (flags.form != ReportForm::by_ending) return flags.form;
  if (flags.output.empty()) return ReportForm::html;
  const std::string ending = std::filesystem::path(flags.output).extension().string();
  for (const Ending& known : kEndings) {
    if (ending == known.ending) return known.form;
  }
  return std::nullopt;
}

Condition drawn() {
  return {"format", "format = html or json", [](const CommandLine& line) {
            const auto form = form_of(line.own<ReportFlags>());
            return form == ReportForm::html || form == ReportForm::json;
          }};
}

Condition with_pictures() {
  return {"format", "format = html, json or tensorboard", [](const CommandLine& line) {
            const auto form = form_of(line.own<ReportFlags>());
            return form == ReportForm::html || form == ReportForm::json || form == ReportForm::tensorboard;
          }};
}

std::vector<Option> report_options() {
  FlagTable<ReportFlags> flags;
  flags.add("output", &ReportFlags::output,
            {.help = "file to write; of tensorboard, the folder that gets one for each run",
             .placeholder = "PATH",
             .absent = "standard output; html and tensorboard need it"});
  flags.choice(
      "format", &ReportFlags::form,
      {{ReportForm::by_ending, "auto"},
       {ReportForm::html, "html"},
       {ReportForm::text, "text"},
       {ReportForm::csv, "csv"},
       {ReportForm::json, "json"},
       {ReportForm::tensorboard, "tensorboard"}},
      {.help =
           "as output ends (.html, .txt, .csv, .json); a page that needs no network, a text to read, a line "
           "for each step, one document, or TensorBoard's event files",
       .placeholder = "FORM"});
  flags.add("points", &ReportFlags::points,
            {.help = "of a curve at most; steps that share one show their mean and how far they lie apart",
             .bounds = from_to(2, 1e6),
             .unit = "points",
             .absent = "500, fewer for more than 10 runs",
             .when = {drawn()}});
  flags.add("attention", &ReportFlags::attention,
            {.help = "images of which the page shows where the best 4 runs look, by their newest checkpoints",
             .placeholder = "SOURCE",
             .absent = "none",
             .when = {with_pictures()}});
  flags.add("preview", &ReportFlags::preview,
            {.help = "images that the page shows as the best 4 runs see them in training",
             .placeholder = "SOURCE",
             .absent = "none",
             .when = {with_pictures()}});
  flags.add("samples", &ReportFlags::samples,
            {.help = "the first so many of these images; in a preview an even number",
             .bounds = from_to(1, 64),
             .unit = "images",
             .when = {{"attention", "attention or preview", [](const CommandLine& line) {
                         const auto& own = line.own<ReportFlags>();
                         return !own.attention.empty() || !own.preview.empty();
                       }}}});
  return flags.done();
}

void check_report(const CommandLine& line) {
  const auto& flags = line.own<ReportFlags>();
  const auto form = form_of(flags);
  if (!form) {
    throw Error(ExitCode::usage,
                fmt::format("command line: --output {}: its name does not tell the form", flags.output),
                "end it with .html, .txt, .csv or .json, or say --format");
  }
  const bool needs_output = form == ReportForm::html || form == ReportForm::tensorboard;
  if (needs_output && flags.output.empty())
    throw Error(ExitCode::usage, "command line: `vitrail report` needs --output PATH: where to write",
                "for a terminal: --format text");
}

std::string in_form(const Report& report, const ReportFlags& flags) {
  const std::size_t points =
      flags.points ? static_cast<std::size_t>(*flags.points) : usual_points(report.runs.size());
  switch (form_of(flags).value()) {
    case ReportForm::html:
      return report_html(report, points);
    case ReportForm::text:
      return report_text(report);
    case ReportForm::csv:
      return report_csv(report);
    case ReportForm::json:
    case ReportForm::tensorboard:
    case ReportForm::by_ending:
      break;
  }
  return report_json(report, points);
}

// Each run's in a folder of its name: so TensorBoard tells them apart.
void write_event_files(const Report& report, const std::filesystem::path& folder) {
  for (const RunReport& run : report.runs) {
    const std::filesystem::path own = folder / run.name;
    make_directories(own);
    write_text_atomically(own / event_file_name(run), event_file(run));
  }
  const std::size_t files = report.runs.size();
  fmt::print("{}: {} event file{}; open {} with: tensorboard --logdir {}\n", folder.string(), files,
             files == 1 ? "" : "s", files == 1 ? "it" : "them", folder.string());
}

ExitCode run_report(const CommandLine& line, const Environment& environment) {
  const auto& flags = line.own<ReportFlags>();
  Report report = read_report(line.arguments);
  add_pictures(report, {flags.attention, flags.preview, flags.samples, environment.gpus});
  if (form_of(flags) == ReportForm::tensorboard) {
    write_event_files(report, flags.output);
    return ExitCode::done;
  }
  const std::string text = in_form(report, flags);
  if (flags.output.empty()) {
    fmt::print("{}", text);
  } else {
    write_text_atomically(flags.output, text);
    fmt::print("{}: {} run{}, {:.1f} MB\n", flags.output, report.runs.size(),
               report.runs.size() == 1 ? "" : "s", static_cast<double>(text.size()) / 1e6);
  }
  return ExitCode::done;
}

}  // namespace

Command report_command() {
  return {.name = "report",
          .usage = "RUN [RUN ...] [--output report.html] [--format FORM]",
          .summary = "curves, attempts, events and settings of runs, or of a sweep, as one page",
          .example = "vitrail report runs/first runs/second --output report.html",
          .least_arguments = 1,
          .most_arguments = 1000,
          .flags = ReportFlags(),
          .options = report_options(),
          .check = check_report,
          .run = run_report};
}

}  // namespace vitrail::launcher
