#include "trainer/checkpoint/checkpoint_reader.hpp"

#include <algorithm>
#include <numeric>

#include "trainer/base/error.hpp"
#include "trainer/base/hash.hpp"

namespace vitrail::trainer {

using sharding::StateKind;

CheckpointReader::CheckpointReader(const std::filesystem::path& folder)
    : folder_(folder), manifest_(read_checkpoint_manifest(folder)), extents_(manifest_.parameters.size()) {
  for (const StoredFile& file : manifest_.files) {
    try {
      files_.emplace_back(folder_ / file.name, File::Mode::read);
    } catch (const Error& e) {  // a missing file is damage to the checkpoint, not trouble with the disk
      std::error_code error;
      if (std::filesystem::is_regular_file(folder_ / file.name, error)) throw;
      throw Error(ExitCode::bad_data, e.what());
    }
  }
  index();
  index_rows();
}

void CheckpointReader::index() {
  for (std::size_t f = 0; f < manifest_.files.size(); ++f) {
    for (const StoredLane& lane : manifest_.files[f].lanes) {
      std::uint64_t first = 0;
      for (const StoredRun& run : lane.runs) {
        extents_[run.parameter].push_back({run.begin, run.begin + run.count, f, &lane, first});
        first += static_cast<std::uint64_t>(run.count);
      }
      for (const StateKind kind : sharding::kStateKinds) {
        const bool expected = kind == StateKind::weight || kind == StateKind::exp_avg || has(kind);
        if (expected && !lane.runs.empty() && !lane.address.contains(name_of(kind))) {
          throw Error(ExitCode::bad_data,
                      fmt::format("{}: lane {} has no {}", folder_.string(), lane.lane, name_of(kind)));
        }
      }
    }
  }
  for (std::size_t p = 0; p < extents_.size(); ++p) {
    auto& extents = extents_[p];
    std::sort(extents.begin(), extents.end(),
              [](const Extent& a, const Extent& b) { return a.begin < b.begin; });
    std::int64_t next = 0;
    for (const Extent& extent : extents) {
      if (extent.begin != next) break;
      next = extent.end;
    }
    if (next != manifest_.parameters[p].elements()) {
      throw Error(ExitCode::bad_data, fmt::format("{}: {} is not there completely and once", folder_.string(),
                                                  manifest_.parameters[p].name));
    }
  }
}

// Lane l has those of the samples l, l + L, l + 2L, ...
void CheckpointReader::index_rows() {
  std::size_t lanes = 0;
  for (std::size_t f = 0; f < manifest_.files.size(); ++f) {
    for (const StoredLane& lane : manifest_.files[f].lanes) {
      ++lanes;
      if (lane.rows) rows_[lane.lane] = {f, *lane.rows};
    }
  }
  if (rows_.empty()) return;
  rows_shape_ = {0, static_cast<std::int64_t>(rows_.begin()->second.second.width),
                 static_cast<std::int64_t>(lanes)};
  for (const auto& [lane, place] : rows_)
    rows_shape_.samples += static_cast<std::int64_t>(place.second.count);
  for (std::int64_t lane = 0; lane < std::min(rows_shape_.lanes, rows_shape_.samples); ++lane) {
    const auto found = rows_.find(lane);
    const bool whole =
        found != rows_.end() &&
        static_cast<std::int64_t>(found->second.second.count) == share_of(rows_shape_, lane).count &&
        static_cast<std::int64_t>(found->second.second.width) == rows_shape_.width;
    if (!whole) {
      throw Error(ExitCode::bad_data,
                  fmt::format("{}: the rows of lane {} are not there completely", folder_.string(), lane));
    }
  }
}

void CheckpointReader::verify_file(std::size_t file,
                                   const std::function<void(std::uint64_t)>& progress) const {
  const StoredFile& stored = manifest_.files.at(file);
  const std::uint64_t size = files_[file].size();
  if (size != stored.bytes) {
    throw Error(ExitCode::bad_data,
                fmt::format("{}: {} bytes instead of {}", files_[file].path().string(), size, stored.bytes));
  }
  Hasher hasher;
  std::vector<std::byte> chunk(std::size_t{4} << 20);
  for (std::uint64_t at = 0; at < size;) {
    const auto part =
        std::span(chunk).first(static_cast<std::size_t>(std::min<std::uint64_t>(chunk.size(), size - at)));
    files_[file].read_at(at, part);
    hasher.update(part);
    at += part.size();
    if (progress) progress(part.size());
  }
  if (hasher.digest().hex() != stored.hash) {
    throw Error(ExitCode::bad_data,
                fmt::format("{}: its bytes are not those that were written (XXH3-128 differs)",
                            files_[file].path().string()));
  }
}

TaskState CheckpointReader::task_state() const {
  TaskState state;
  for (std::size_t f = 0; f < manifest_.files.size(); ++f) {
    for (const auto& [name, array] : manifest_.files[f].task) {
      std::vector<double> values(array.count);
      files_[f].read_at(array.address, std::as_writable_bytes(std::span(values)));
      state[name] = std::move(values);
    }
  }
  return state;
}

void CheckpointReader::read_rows(std::int64_t lane, std::int64_t first, std::span<std::byte> out) const {
  if (out.empty()) return;
  const auto& [file, rows] = rows_.at(lane);
  files_[file].read_at(
      rows.address + static_cast<std::uint64_t>(first) * rows.width * size_of(manifest_.type), out);
}

bool CheckpointReader::has(StateKind kind) const {
  return std::ranges::any_of(manifest_.files, [&](const StoredFile& file) {
    return std::ranges::any_of(file.lanes,
                               [&](const StoredLane& lane) { return lane.address.contains(name_of(kind)); });
  });
}

void CheckpointReader::verify() const {
  for (std::size_t file = 0; file < files_.size(); ++file) verify_file(file);
}

void CheckpointReader::read(StateKind kind, std::size_t parameter, std::int64_t begin,
                            std::span<std::byte> out) const {
  const auto width = static_cast<std::int64_t>(size_of(manifest_.type));
  const std::int64_t end = begin + static_cast<std::int64_t>(out.size()) / width;
  for (const Extent& extent : extents_.at(parameter)) {
    const std::int64_t from = std::max(begin, extent.begin);
    const std::int64_t to = std::min(end, extent.end);
    if (from >= to) continue;
    const std::uint64_t address =
        extent.lane->address.at(name_of(kind)) +
        (extent.first + static_cast<std::uint64_t>(from - extent.begin)) * static_cast<std::uint64_t>(width);
    files_[extent.file].read_at(address, out.subspan(static_cast<std::size_t>((from - begin) * width),
                                                     static_cast<std::size_t>((to - from) * width)));
  }
}

template <class Real>
std::vector<Real> CheckpointReader::read_all(StateKind kind, std::size_t parameter) const {
  const auto n = static_cast<std::size_t>(manifest_.parameters.at(parameter).elements());
  const auto load = [&](auto real) {
    std::vector<decltype(real)> values(n);
    read(kind, parameter, 0, std::as_writable_bytes(std::span(values)));
    return std::vector<Real>(values.begin(), values.end());
  };
  return manifest_.type == DataType::f64 ? load(double{}) : load(float{});
}

template std::vector<float> CheckpointReader::read_all<float>(StateKind, std::size_t) const;
template std::vector<double> CheckpointReader::read_all<double>(StateKind, std::size_t) const;

namespace {

void add_rows(const CheckpointReader& checkpoint, Hasher& hasher) {
  const auto [samples, width, lanes] = checkpoint.rows();
  std::vector<std::byte> row(static_cast<std::size_t>(width) * size_of(checkpoint.manifest().type));
  for (std::int64_t sample = 0; sample < samples; ++sample) {
    checkpoint.read_rows(sample % lanes, sample / lanes, row);
    hasher.update(row);
  }
}

}  // namespace

std::string state_hash(const CheckpointReader& checkpoint, StatePart part) {
  const auto& parameters = checkpoint.manifest().parameters;
  std::vector<std::size_t> by_name(parameters.size());
  std::iota(by_name.begin(), by_name.end(), std::size_t{0});
  std::sort(by_name.begin(), by_name.end(),
            [&](std::size_t a, std::size_t b) { return parameters[a].name < parameters[b].name; });
  Hasher hasher;
  const auto add = [&](StateKind kind, std::size_t parameter) {
    std::vector<std::byte> bytes(static_cast<std::size_t>(parameters[parameter].elements()) *
                                 size_of(checkpoint.manifest().type));
    checkpoint.read(kind, parameter, 0, bytes);
    hasher.update(bytes);
  };
  const bool all = part == StatePart::all;
  if (part == StatePart::ema && !checkpoint.has(StateKind::ema)) {
    throw Error(ExitCode::usage, fmt::format("{}: the run kept no average of its weights (ema.decay = 0)",
                                             checkpoint.folder().string()));
  }
  if (all || part == StatePart::weights) {
    for (const std::size_t p : by_name) add(StateKind::weight, p);
  }
  if (all || part == StatePart::optimizer) {
    for (const std::size_t p : by_name) {
      add(StateKind::exp_avg, p);
      if (checkpoint.has(StateKind::exp_avg_sq)) add(StateKind::exp_avg_sq, p);
    }
  }
  if (part == StatePart::ema || (all && checkpoint.has(StateKind::ema))) {
    for (const std::size_t p : by_name) add(StateKind::ema, p);
  }
  if (all) {
    for (const auto& [name, values] : checkpoint.task_state())
      hasher.update(std::as_bytes(std::span(values)));
    add_rows(checkpoint, hasher);
  }
  return hasher.digest().hex();
}

}  // namespace vitrail::trainer
