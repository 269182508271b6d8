#include "trainer/checkpoint/checkpoint_manifest.hpp"

#include <limits>

#include <nlohmann/json.hpp>

#include "models/model.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/files/atomic_file.hpp"
#include "trainer/base/hash.hpp"

namespace vitrail::trainer {
namespace {

using Json = nlohmann::ordered_json;

Json lane_to_json(const StoredLane& lane) {
  Json runs = Json::array();
  for (const StoredRun& run : lane.runs) runs.push_back({run.parameter, run.begin, run.count});
  Json json = {{"lane", lane.lane}, {"address", lane.address}, {"runs", runs}};
  if (lane.rows)
    json["rows"] = {
        {"address", lane.rows->address}, {"count", lane.rows->count}, {"width", lane.rows->width}};
  return json;
}

StoredLane lane_from_json(const Json& json) {
  StoredLane lane;
  lane.lane = json.at("lane").get<std::int64_t>();
  lane.address = json.at("address").get<std::map<std::string, std::uint64_t>>();
  for (const Json& run : json.at("runs")) {
    lane.runs.push_back(
        {run.at(0).get<std::size_t>(), run.at(1).get<std::int64_t>(), run.at(2).get<std::int64_t>()});
  }
  if (json.contains("rows")) {
    const Json& rows = json.at("rows");
    lane.rows = {rows.at("address").get<std::uint64_t>(), rows.at("count").get<std::uint64_t>(),
                 rows.at("width").get<std::uint64_t>()};
  }
  return lane;
}

Json file_to_json(const StoredFile& file) {
  Json lanes = Json::array();
  for (const StoredLane& lane : file.lanes) lanes.push_back(lane_to_json(lane));
  Json json = {{"name", file.name}, {"bytes", file.bytes}, {"xxh3_128", file.hash}, {"lanes", lanes}};
  for (const auto& [name, array] : file.task)
    json["task"][name] = {{"address", array.address}, {"count", array.count}};
  return json;
}

StoredFile file_from_json(const Json& json) {
  StoredFile file;
  file.name = json.at("name").get<std::string>();
  file.bytes = json.at("bytes").get<std::uint64_t>();
  file.hash = json.at("xxh3_128").get<std::string>();
  for (const Json& lane : json.at("lanes")) file.lanes.push_back(lane_from_json(lane));
  const Json task = json.value("task", Json::object());
  for (const auto& [name, array] : task.items())
    file.task[name] = {array.at("address").get<std::uint64_t>(), array.at("count").get<std::uint64_t>()};
  return file;
}

Json loss_scale_to_json(const sharding::LossScale& s) {
  return {{"scale", s.scale},
          {"good_steps", s.good_steps},
          {"skipped", s.skipped},
          {"skipped_at_floor", s.skipped_at_floor}};
}

sharding::LossScale loss_scale_from_json(const Json& json) {
  return {json.at("scale").get<double>(), json.at("good_steps").get<std::int64_t>(),
          json.at("skipped").get<std::int64_t>(), json.at("skipped_at_floor").get<std::int64_t>()};
}

[[noreturn]] void bad(const std::string& why) { throw Error(ExitCode::bad_data, why); }

bool lies_inside(const StoredRows& rows, const StoredFile& file, DataType type) {
  return rows.width > 0 && rows.count > 0 && rows.address <= file.bytes &&
         rows.count <= (file.bytes - rows.address) / size_of(type) / rows.width;
}

// What the readers rely on: runs lie inside their parameter, data inside their file, names inside the folder.
void check_consistent(const CheckpointManifest& m) {
  for (const StoredParameter& parameter : m.parameters) {
    std::int64_t elements = 1;
    for (const std::int64_t size : parameter.shape) {
      if (size < 1 || elements > std::numeric_limits<std::int64_t>::max() / 16 / size)
        bad("impossible shape of " + parameter.name);
      elements *= size;
    }
  }
  for (const StoredFile& file : m.files) {
    if (file.name.empty() || file.name.find('/') != std::string::npos || file.name == "..")
      bad("bad file name " + file.name);
    for (const auto& [name, array] : file.task) {
      if (array.address > file.bytes || array.count > (file.bytes - array.address) / sizeof(double))
        bad(fmt::format("{} of the task lies outside {}", name, file.name));
    }
    for (const StoredLane& lane : file.lanes) {
      std::uint64_t elements = 0;
      for (const StoredRun& run : lane.runs) {
        const bool inside = run.parameter < m.parameters.size() && run.begin >= 0 && run.count > 0 &&
                            run.count <= m.parameters[run.parameter].elements() &&
                            run.begin <= m.parameters[run.parameter].elements() - run.count;
        if (!inside) bad(fmt::format("lane {} holds elements that no parameter has", lane.lane));
        elements += static_cast<std::uint64_t>(run.count);
        if (elements > file.bytes) bad(fmt::format("lane {} holds more than {}", lane.lane, file.name));
      }
      if (lane.rows && !lies_inside(*lane.rows, file, m.type))
        bad(fmt::format("the rows of lane {} lie outside {}", lane.lane, file.name));
      for (const auto& [kind, address] : lane.address) {
        if (address > file.bytes || elements > (file.bytes - address) / size_of(m.type)) {
          bad(fmt::format("{} of lane {} lies outside {}", kind, lane.lane, file.name));
        }
      }
    }
  }
}

CheckpointManifest from_json(const Json& json) {
  if (json.at("format") != "vitrail-checkpoint") bad("it is not a checkpoint's manifest");
  if (json.at("version") != kCheckpointVersion) {
    bad(fmt::format("format version {}, this program reads version {}", json.at("version").dump(),
                    kCheckpointVersion));
  }
  CheckpointManifest m;
  m.state.step = json.at("step").get<std::int64_t>();
  m.state.optimizer_steps = json.at("optimizer_steps").get<std::int64_t>();
  m.state.evaluated_step = json.at("evaluated_step").get<std::int64_t>();
  m.state.metrics_bytes = json.at("metrics_bytes").get<std::uint64_t>();
  if (json.contains("loss_scale")) m.state.loss_scale = loss_scale_from_json(json.at("loss_scale"));
  for (const Json& sample : json.value("damaged", Json::array())) {
    m.state.damaged.emplace(sample.at("sample").get<std::uint64_t>(), sample.at("why").get<std::string>());
  }
  for (const Json& left : json.value("left_out", Json::array())) {
    m.state.skipped_batches.push_back(
        {left.at("step").get<std::int64_t>(), left.at("batches").get<std::int64_t>()});
  }
  if (json.contains("best")) {
    const Json& best = json.at("best");
    m.state.best = {best.at("value").get<double>(), best.at("step").get<std::int64_t>()};
  }
  m.planned_steps = json.value("planned_steps", std::int64_t{0});
  m.lanes = json.at("lanes").get<std::int64_t>();
  m.world = json.at("world").get<int>();
  const auto type = type_named(json.at("type").get<std::string>());
  if (type != DataType::f32 && type != DataType::f64) bad("its state has an unknown type");
  m.type = *type;
  m.data_fingerprint = json.at("data").get<std::string>();
  m.classes = json.value("classes", std::vector<std::string>());
  m.class_ids = json.value("class_ids", m.classes);  // of earlier builds: names alone
  m.machine = json.at("machine").get<std::string>();
  m.writer = json.at("writer").get<std::string>();
  m.program = json.value("program", m.program);  // earlier builds told neither
  m.hosts = json.value("hosts", m.hosts);
  m.settings = json.at("settings").get<std::map<std::string, std::string>>();
  for (const Json& parameter : json.at("parameters")) {
    m.parameters.push_back(
        {parameter.at("name").get<std::string>(), parameter.at("shape").get<std::vector<std::int64_t>>()});
  }
  for (const Json& file : json.at("files")) m.files.push_back(file_from_json(file));
  check_consistent(m);
  return m;
}

}  // namespace

std::int64_t StoredParameter::elements() const {
  std::int64_t n = 1;
  for (const std::int64_t size : shape) n *= size;
  return n;
}

std::vector<StoredParameter> stored_parameters(const std::vector<models::ParameterSpec>& parameters) {
  std::vector<StoredParameter> stored;
  for (const models::ParameterSpec& spec : parameters) stored.push_back({spec.name, spec.shape});
  return stored;
}

std::int64_t TrainState::next_batch() const {
  std::int64_t batch = step;
  for (const SkippedBatches& left : skipped_batches) batch += left.batches;
  return batch;
}

std::string to_json(const CheckpointManifest& m) {
  Json json = {{"format", "vitrail-checkpoint"},
               {"version", kCheckpointVersion},
               {"step", m.state.step},
               {"optimizer_steps", m.state.optimizer_steps},
               {"evaluated_step", m.state.evaluated_step},
               {"metrics_bytes", m.state.metrics_bytes},
               {"loss_scale", loss_scale_to_json(m.state.loss_scale)},
               {"planned_steps", m.planned_steps},
               {"lanes", m.lanes},
               {"world", m.world},
               {"type", name_of(m.type)},
               {"data", m.data_fingerprint},
               {"classes", m.classes},
               {"class_ids", m.class_ids},
               {"machine", m.machine},
               {"writer", m.writer},
               {"program", m.program},
               {"hosts", m.hosts},
               {"settings", m.settings}};
  json["damaged"] = Json::array();
  for (const auto& [sample, why] : m.state.damaged)
    json["damaged"].push_back({{"sample", sample}, {"why", why}});
  json["left_out"] = Json::array();
  for (const SkippedBatches& left : m.state.skipped_batches)
    json["left_out"].push_back({{"step", left.step}, {"batches", left.batches}});
  if (m.state.best) json["best"] = {{"value", m.state.best->value}, {"step", m.state.best->step}};
  json["parameters"] = Json::array();
  for (const StoredParameter& p : m.parameters)
    json["parameters"].push_back({{"name", p.name}, {"shape", p.shape}});
  json["files"] = Json::array();
  for (const StoredFile& file : m.files) json["files"].push_back(file_to_json(file));
  // The manifest vouches for the files; this vouches for the manifest.
  json["manifest_xxh3_128"] = hash_text(json.dump()).hex();
  return json.dump(1) + "\n";
}

std::string to_json(const StoredFile& file) { return file_to_json(file).dump(); }

StoredFile stored_file_from_json(const std::string& text) { return file_from_json(Json::parse(text)); }

CheckpointManifest read_checkpoint_manifest(const std::filesystem::path& folder) {
  const auto path = folder / "manifest.json";
  std::error_code error;  // a link to itself has no status
  const auto type = std::filesystem::status(path, error).type();
  using Type = std::filesystem::file_type;
  if (type == Type::not_found) bad(fmt::format("{}: it is missing", path.string()));
  if (type == Type::directory) bad(fmt::format("{}: it is a folder", path.string()));
  if (type == Type::none && error != std::errc::too_many_symbolic_link_levels)
    throw io_error("cannot look at", path, error.value());  // says nothing about the file
  if (type != Type::regular) {
    bad(fmt::format("{}: {}", path.string(), error ? error.message() : "it is no regular file"));
  }
  Json json = Json::parse(read_text(path), nullptr, false);
  try {
    if (json.is_discarded()) bad("it is not JSON");
    const auto hash = json.at("manifest_xxh3_128").get<std::string>();
    json.erase("manifest_xxh3_128");
    if (hash != hash_text(json.dump()).hex()) bad("its own hash does not fit: it was damaged or edited");
    return from_json(json);
  } catch (const nlohmann::json::exception& e) {
    throw Error(ExitCode::bad_data, fmt::format("{}: {}", path.string(), e.what()));
  } catch (const Error& e) {
    throw e.in(path.string());
  }
}

}  // namespace vitrail::trainer
