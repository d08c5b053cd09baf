/* SPDX-License-Identifier: Apache-2.0 */
/* NPI_SANITIZED: 1 in a build with AddressSanitizer, ThreadSanitizer or MemorySanitizer, whose shadow memory counts as ours and whose nets are ten to
 * twenty times slower; else 0. */
#ifndef NPI_BASE_SANITIZED_H
#define NPI_BASE_SANITIZED_H

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define NPI_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define NPI_SANITIZED 1
#endif
#endif
#ifndef NPI_SANITIZED
#define NPI_SANITIZED 0
#endif
#endif
