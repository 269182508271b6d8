#include "datasets/codec/baseline_jpeg.hpp"

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "datasets/codec/colour_rows.hpp"
#include "datasets/codec/huffman_blocks.hpp"
#include "datasets/codec/inverse_dct.hpp"
#include "datasets/codec/scan_bytes.hpp"

namespace vitrail::datasets {
namespace {

constexpr int kBlock = 8, kMostBlocks = 6;
constexpr int kMostDc = 8191;  // dequantised; beyond it variants of libjpeg's DCT differ

int up(int a, int b) { return (a + b - 1) / b; }

struct UnitRange {
  int first, last;
};

// Which units (an MCU each: the luma blocks of one of chroma, and that) are needed for a box.
struct Units {
  UnitRange columns, rows;  // rows as far down as libjpeg reads for it
};

struct Layout {
  explicit Layout(const BaselineScan& scan)
      : width(kBlock * scan.luma_columns),
        height(kBlock * scan.luma_rows),
        columns(up(scan.width, width)),
        rows(up(scan.height, height)),
        chroma_width(up(scan.width, scan.luma_columns)),
        chroma_height(up(scan.height, scan.luma_rows)) {}

  int width, height;  // of a unit, in pixels
  int columns, rows;  // units
  int chroma_width, chroma_height;
};

Units units_of(const BaselineScan& scan, const Layout& layout, const Box& box) {
  // A neighbour in chroma on each side where it is interpolated.
  const auto along = [](int begin, int end, int halved, int size, int unit) {
    const int more = halved == 2 ? 2 : 0;
    return UnitRange{std::max(begin - more, 0) / unit, up(std::min(end + more, size), unit)};
  };
  const UnitRange columns = along(box.x, box.x + box.width, scan.luma_columns, scan.width, layout.width);
  // libjpeg makes both rows of one of chroma at once, and needs the next one's for them.
  const int bottom = scan.luma_rows == 2 ? up(box.y + box.height, 2) * 2 : box.y + box.height;
  const UnitRange rows = along(box.y, bottom, scan.luma_rows, scan.height, layout.height);
  return {columns, rows};
}

// Two rows of units of each component, in turns.
class Planes {
 public:
  Planes(const BaselineScan& scan, const Units& units) {
    const int count = units.columns.last - units.columns.first;
    for (std::size_t c = 0; c < scan.components.size(); ++c) {
      const int width = kBlock * (c == 0 ? scan.luma_columns : 1),
                rows = kBlock * (c == 0 ? scan.luma_rows : 1);
      Plane& plane = planes_[c];
      plane.stride = static_cast<std::size_t>(width * count) + kColourSpare;
      plane.left = width * units.columns.first;
      plane.mask = 2 * rows - 1;
      plane.samples =
          std::make_unique_for_overwrite<std::uint8_t[]>(plane.stride * static_cast<std::size_t>(2 * rows));
    }
  }

  std::uint8_t* at(std::size_t component, int column, int row) const {
    const Plane& plane = planes_[component];
    return plane.samples.get() + static_cast<std::size_t>(row & plane.mask) * plane.stride +
           (column - plane.left);
  }
  std::size_t stride(std::size_t component) const { return planes_[component].stride; }

 private:
  struct Plane {
    std::unique_ptr<std::uint8_t[]> samples;
    std::size_t stride = 0;
    int left = 0, mask = 0;
  };
  std::array<Plane, 3> planes_;
};

class Decoder {
 public:
  Decoder(const BaselineScan& scan, const Box& box, std::uint8_t* rgb)
      : scan_(scan),
        box_(box),
        layout_(scan),
        units_(units_of(scan, layout_, box)),
        rgb_(rgb),
        bytes_(scan.encoded),
        reader_(bytes_.data()),
        planes_(scan, units_),
        next_row_(box.y) {}

  bool run() {
    if (!prepare()) return false;
    for (int row = 0; row < units_.rows.last; ++row) {
      const bool needed = row >= units_.rows.first;
      for (int column = 0; column < layout_.columns; ++column) {
        const bool here = needed && column >= units_.columns.first && column < units_.columns.last;
        if (!read_unit(here)) return false;
        if (here) transform_unit(column, row);
      }
      if (needed) convert_rows(row);
    }
    return true;
  }

 private:
  struct BlockPlace {
    std::size_t component;
    int column, row;  // among those of its component in a unit
  };

  bool prepare() {
    for (std::size_t c = 0; c < scan_.components.size(); ++c) {
      const BaselineScan::Component& component = scan_.components[c];
      if (!dc_[c].assign(component.dc_counts, component.dc_symbols, true) ||
          !ac_[c].assign(component.ac_counts, component.ac_symbols, false))
        return false;
      const int columns = c == 0 ? scan_.luma_columns : 1, rows = c == 0 ? scan_.luma_rows : 1;
      for (int i = 0; i < columns * rows; ++i) blocks_.push_back({c, i % columns, i / columns});
    }
    for (std::size_t b = 0; b < blocks_.size(); ++b) {
      const auto& steps = scan_.components[blocks_[b].component].quantisation;
      std::int16_t* const block = quantisation_[b / 2].block(b % 2);
      for (std::size_t i = 0; i < steps.size(); ++i) {
        if (steps[i] > 255) return false;
        block[i / 8 * 16 + i % 8] = static_cast<std::int16_t>(steps[i]);
      }
    }
    return true;
  }

  // The blocks of one unit; kept where `here` says so.
  bool read_unit(bool here) {
    if (scan_.restart_interval > 0 && units_read_ == scan_.restart_interval && !restart()) return false;
    ++units_read_;
    for (std::size_t b = 0; b < blocks_.size(); ++b) {
      BlockPair& pair = here ? pairs_[b / 2] : passed_;
      if (here && b % 2 == 0) pair.values.fill(0);
      const std::size_t c = blocks_[b].component;
      if (!reader_.read(dc_[c], ac_[c], prediction_[c], pair.block(b % 2))) return false;
      if (std::abs(prediction_[c] * scan_.components[c].quantisation[0]) > kMostDc) return false;
    }
    return reader_.is_within(bytes_.data() + bytes_.segments()[segment_].end);
  }

  bool restart() {
    const auto& segments = bytes_.segments();
    const bool read_all = reader_.position() == bytes_.data() + segments[segment_].end;
    if (!read_all || segment_ + 1 == segments.size()) return false;
    if (segments[segment_ + 1].marker != static_cast<int>(segment_ % 8)) return false;
    ++segment_;
    units_read_ = 0;
    prediction_ = {};
    reader_ = BlockReader(bytes_.data() + segments[segment_].begin);
    return true;
  }

  void transform_unit(int column, int row) {
    for (std::size_t b = 0; b < blocks_.size(); b += 2) {
      std::array<std::uint8_t*, 2> out{};
      std::array<std::size_t, 2> stride{};
      for (std::size_t i = 0; i < 2; ++i) {
        if (b + i == blocks_.size()) {
          out[i] = unused_.data();
          stride[i] = kBlock;
          continue;
        }
        const auto [c, x, y] = blocks_[b + i];
        const int columns = c == 0 ? scan_.luma_columns : 1, rows = c == 0 ? scan_.luma_rows : 1;
        out[i] = planes_.at(c, kBlock * (column * columns + x), kBlock * (row * rows + y));
        stride[i] = planes_.stride(c);
      }
      inverse_dct(pairs_[b / 2], quantisation_[b / 2], out.data(), stride.data());
    }
  }

  // All rows of the box that the rows of units up to `row` are enough for.
  void convert_rows(int row) {
    const bool all_there = row + 1 == layout_.rows;
    const int below = (row + 1) * layout_.height - (scan_.luma_rows == 2 && !all_there ? 1 : 0);
    for (const int end = std::min(below, box_.y + box_.height); next_row_ < end; ++next_row_)
      convert_row(next_row_);
  }

  void convert_row(int y) {
    std::uint8_t* const out =
        rgb_ + static_cast<std::size_t>(y - box_.y) * static_cast<std::size_t>(box_.width) * 3;
    const std::uint8_t* const luma = planes_.at(0, box_.x, y);
    if (scan_.components.size() == 1) return to_rgb(luma, nullptr, nullptr, box_.width, out);
    if (scan_.luma_columns == 1)
      return to_rgb(luma, planes_.at(1, box_.x, y), planes_.at(2, box_.x, y), box_.width, out);
    const int first = box_.x / 2, last = up(box_.x + box_.width, 2);
    const int line = scan_.luma_rows == 2 ? y / 2 : y;
    const int other = std::clamp(line + (y % 2 == 0 ? -1 : 1), 0, layout_.chroma_height - 1);
    for (std::size_t c = 1; c < 3; ++c) {
      chroma_[c - 1].interpolate(planes_.at(c, first, line),
                                 scan_.luma_rows == 2 ? planes_.at(c, first, other) : nullptr, first, last,
                                 layout_.chroma_width);
    }
    to_rgb(luma, chroma_[0].at(box_.x), chroma_[1].at(box_.x), box_.width, out);
  }

  const BaselineScan& scan_;
  const Box box_;
  const Layout layout_;
  const Units units_;
  std::uint8_t* const rgb_;
  const ScanBytes bytes_;
  BlockReader reader_;
  Planes planes_;
  int next_row_;
  std::vector<BlockPlace> blocks_;  // of a unit, in the order they come in
  std::array<HuffmanTable, 3> dc_, ac_;
  std::array<BlockPair, kMostBlocks / 2> pairs_{}, quantisation_{};
  BlockPair passed_{};
  std::array<std::uint8_t, kBlock * kBlock> unused_{};
  std::array<int, 3> prediction_{};
  std::array<ChromaRow, 2> chroma_;
  std::size_t segment_ = 0;
  int units_read_ = 0;
};

}  // namespace

bool has_baseline_decoder() { return has_inverse_dct(); }

bool decode_baseline(const BaselineScan& scan, const Box& box, std::vector<std::uint8_t>& buffer) {
  const std::size_t bytes =
      static_cast<std::size_t>(box.width) * static_cast<std::size_t>(box.height) * 3 + kColourSpare;
  if (buffer.size() < bytes) buffer.resize(bytes);  // never smaller: new bytes would be zeroed first
  return std::make_unique<Decoder>(scan, box, buffer.data())->run();
}

}  // namespace vitrail::datasets
