#include "textflag.h"

// Sixteen bytes at OFF: their bits into X10, their quotes into AX, shifted, and
// what is odd about them into BX, shifted. SSE2 is part of every amd64.
#define LOOK(OFF, SHIFT) \
	MOVOU    OFF(SI), X0  \
	POR      X0, X10      \
	MOVO     X0, X1       \
	PCMPEQB  X7, X1       \
	PMOVMSKB X1, R8       \
	MOVO     X0, X2       \
	PCMPEQB  X8, X2       \
	MOVO     X0, X3       \
	PMINUB   X9, X3       \
	PCMPEQB  X0, X3       \
	POR      X3, X2       \
	PMOVMSKB X2, R9       \
	SHLQ     $SHIFT, R8   \
	SHLQ     $SHIFT, R9   \
	ORQ      R8, AX       \
	ORQ      R9, BX

// func surveyBlocks(b []byte, quotes, odd []uint64) (all, strange uint64)
TEXT ·surveyBlocks(SB), NOSPLIT, $0-88
	MOVQ b_base+0(FP), SI
	MOVQ b_len+8(FP), CX
	MOVQ quotes_base+24(FP), DI
	MOVQ odd_base+48(FP), DX

	MOVQ   $0x2222222222222222, AX
	MOVQ   AX, X7
	PUNPCKLQDQ X7, X7
	MOVQ   $0x5c5c5c5c5c5c5c5c, AX
	MOVQ   AX, X8
	PUNPCKLQDQ X8, X8
	MOVQ   $0x1f1f1f1f1f1f1f1f, AX
	MOVQ   AX, X9
	PUNPCKLQDQ X9, X9
	PXOR   X10, X10
	XORQ   R10, R10

block:
	SUBQ $64, CX
	JLT  done
	XORQ AX, AX
	XORQ BX, BX
	LOOK(0, 0)
	LOOK(16, 16)
	LOOK(32, 32)
	LOOK(48, 48)
	MOVQ AX, (DI)
	MOVQ BX, (DX)
	ORQ  BX, R10
	ADDQ $64, SI
	ADDQ $8, DI
	ADDQ $8, DX
	JMP  block

done:
	// the high bits of all bytes
	PMOVMSKB X10, AX
	MOVQ     AX, all+72(FP)
	MOVQ     R10, strange+80(FP)
	RET
