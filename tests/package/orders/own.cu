// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
__global__ void nothing() {}
int main() { return 0; }
