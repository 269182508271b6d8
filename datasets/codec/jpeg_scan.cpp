#include "datasets/codec/jpeg_scan.hpp"

namespace vitrail::datasets {
namespace {

bool is_sequential(jpeg_decompress_struct& info) {
  return !info.progressive_mode && !info.arith_code && !jpeg_has_multiple_scans(&info) &&
         info.data_precision == 8 && info.Ss == 0 && info.Se == DCTSIZE2 - 1 && info.Ah == 0 && info.Al == 0;
}

bool has_known_colours(const jpeg_decompress_struct& info) {
  const int columns = info.comp_info[0].h_samp_factor, rows = info.comp_info[0].v_samp_factor;
  if (info.num_components == 1) {
    return info.jpeg_color_space == JCS_GRAYSCALE && columns == 1 && rows == 1;
  }
  if (info.num_components != 3 || info.jpeg_color_space != JCS_YCbCr) return false;
  constexpr JDIMENSION kNarrow = 4;  // chroma of two columns or fewer is repeated, not interpolated
  const bool full = columns == 1 && rows == 1, halved = columns == 2 && rows <= 2;
  return full || (halved && info.image_width > kNarrow);
}

// A header may name tables that there are not.
template <class Table, std::size_t N>
const Table* table(Table* const (&tables)[N], int number) {
  return number >= 0 && static_cast<std::size_t>(number) < N ? tables[number] : nullptr;
}

}  // namespace

std::optional<BaselineScan> baseline_scan(jpeg_decompress_struct& info) {
  if (!has_baseline_decoder() || !is_sequential(info) || !has_known_colours(info)) return std::nullopt;
  BaselineScan scan;
  scan.width = static_cast<int>(info.image_width);
  scan.height = static_cast<int>(info.image_height);
  scan.luma_columns = info.comp_info[0].h_samp_factor;
  scan.luma_rows = info.comp_info[0].v_samp_factor;
  for (int c = 0; c < info.num_components; ++c) {
    const jpeg_component_info& part = info.comp_info[c];
    if (info.cur_comp_info[c] != &part || (c > 0 && (part.h_samp_factor != 1 || part.v_samp_factor != 1))) {
      return std::nullopt;
    }
    const JQUANT_TBL* const steps = table(info.quant_tbl_ptrs, part.quant_tbl_no);
    const JHUFF_TBL* const dc = table(info.dc_huff_tbl_ptrs, part.dc_tbl_no);
    const JHUFF_TBL* const ac = table(info.ac_huff_tbl_ptrs, part.ac_tbl_no);
    if (steps == nullptr || dc == nullptr || ac == nullptr) return std::nullopt;
    scan.components.push_back({steps->quantval, dc->bits, dc->huffval, ac->bits, ac->huffval});
  }
  scan.restart_interval = static_cast<int>(info.restart_interval);
  scan.encoded = std::as_bytes(std::span(info.src->next_input_byte, info.src->bytes_in_buffer));
  return scan;
}

}  // namespace vitrail::datasets
