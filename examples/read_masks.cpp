// Prints a line for each message of a stream: apt install cppzmq-dev libmsgpack-cxx-dev libzstd-dev
// g++ -std=c++17 -O2 -DMSGPACK_NO_BOOST read_masks.cpp -lzmq -lzstd -o read_masks && ./read_masks tcp://127.0.0.1:5556
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <msgpack.hpp>
#include <string>
#include <vector>
#include <zmq_addon.hpp>
#include <zstd.h>
using Text = std::string;
using Map = std::map<Text, msgpack::object>;
std::vector<Text> names;

std::vector<unsigned char> cells(const Text& body, const Text& encoding, size_t count) {
  std::vector<unsigned char> map(body.begin(), body.end());
  if (encoding == "raw" && map.size() == count) return map;
  if (encoding != "zstd" || count > 4096u * 4096u) throw std::runtime_error("a map that cannot be read");
  map.assign(count, 0);
  if (ZSTD_decompress(map.data(), count, body.data(), body.size()) != count) throw std::runtime_error("a torn map");
  return map;
}

bool print(const std::vector<Text>& parts) {  // false at the end
  const size_t slash = parts[0].find('/'), last = parts[0].rfind('/');
  const Text stream = parts[0].substr(slash + 1, last - slash - 1), kind = parts[0].substr(last + 1);
  const auto handle = msgpack::unpack(parts[1].data(), parts[1].size());
  auto header = handle.get().as<Map>();
  Text line = stream + " " + kind, between = kind == "schema" ? " " : ": ";
  auto add = [&](const Text& text) { line += between + text, between = kind == "schema" ? ", " : "; "; };
  if (kind == "schema") {
    names.clear(), line += " " + header["label_set"].as<Map>()["name"].as<Text>() + ":";
    for (auto& each : header["classes"].as<std::vector<Map>>()) names.push_back(each["name"].as<Text>()), add(names.back());
  } else if (kind == "mask") {
    line += " " + std::to_string(header["frame"].as<uint64_t>());
    for (auto& each : header["people"].as<std::vector<Map>>()) {
      const auto box = each["box"].as<std::vector<int>>();
      Text at = std::to_string(each["id"].as<uint64_t>()) + " at " + std::to_string(box[0]);
      for (int side = 1; side < 4; ++side) at += "," + std::to_string(box[side]);
      add(at);
    }
    auto layers = header["layers"].as<std::vector<std::map<Text, Text>>>();
    const auto size = header["map_size"].as<std::vector<size_t>>();
    for (size_t k = 0; k < layers.size(); ++k) {
      if (layers[k]["name"] != "labels") continue;
      std::map<unsigned, size_t> counts;
      for (auto label : cells(parts[2 + k], layers[k]["encoding"], size[0] * size[1])) ++counts[label];
      for (auto& [label, count] : counts) {
        char share[16];
        snprintf(share, sizeof share, " %.2f%%", 100.0 * count / (size[0] * size[1]));
        if (label) add(names.at(label) + share);
      }
    }
    if (between == ": ") add("nobody");
  } else if (kind == "end") add(header["reason"].as<Text>());
  puts(line.c_str()), fflush(stdout);
  return kind != "end";
}

int main(int, char** arguments) {
  const Text where = arguments[1];
  if (where.find("://") == Text::npos) {
    std::ifstream file(where, std::ios::binary);
    const Text bytes{std::istreambuf_iterator<char>(file), {}};
    for (auto& parts : msgpack::unpack(bytes.data(), bytes.size()).get().as<std::vector<std::vector<Text>>>()) print(parts);
    return 0;
  }
  zmq::context_t context;
  zmq::socket_t socket(context, zmq::socket_type::sub);
  socket.set(zmq::sockopt::subscribe, "hpm1/"), socket.connect(where);
  for (bool more = true; more;) {
    std::vector<zmq::message_t> parts;
    if (zmq::recv_multipart(socket, std::back_inserter(parts)))
      more = print([&] { std::vector<Text> texts; for (auto& part : parts) texts.push_back(part.to_string()); return texts; }());
  }
}
