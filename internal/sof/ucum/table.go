package ucum

var prefixes = map[string]string{
	"Y": "1e24", "Z": "1e21", "E": "1e18", "P": "1e15", "T": "1e12", "G": "1e9", "M": "1e6",
	"k": "1e3", "h": "1e2", "da": "10",
	"d": "1e-1", "c": "1e-2", "m": "1e-3", "u": "1e-6", "n": "1e-9", "p": "1e-12", "f": "1e-15",
	"a": "1e-18", "z": "1e-21", "y": "1e-24",
	"Ki": "1024", "Mi": "1048576", "Gi": "1073741824", "Ti": "1099511627776",
}

// table holds units as in UCUM 2.1. The mole is a base unit here, so that an amount of substance is
// not a plain number; the degree is one too, because its factor is not a fraction.
var table = map[string]definition{
	// base units
	"m": {"1", "", true}, "s": {"1", "", true}, "g": {"1", "", true}, "rad": {"1", "", true},
	"K": {"1", "", true}, "C": {"1", "", true},
	"cd": {"1", "", true}, "mol": {"1", "", true}, "deg": {"1", "", false}, "bit": {"1", "", false},
	// plain numbers
	"10*": {"10", "1", false}, "10^": {"10", "1", false}, "%": {"1e-2", "1", false},
	"[ppth]": {"1e-3", "1", false},
	"[ppm]":  {"1e-6", "1", false}, "[ppb]": {"1e-9", "1", false}, "[pptr]": {"1e-12", "1", false},
	// derived units of the metric system
	"sr": {"1", "rad2", true}, "Hz": {"1", "s-1", true}, "N": {"1", "kg.m/s2", true},
	"Pa": {"1", "N/m2", true}, "J": {"1", "N.m", true},
	"W": {"1", "J/s", true}, "A": {"1", "C/s", true}, "V": {"1", "J/C", true},
	"F": {"1", "C/V", true}, "Ohm": {"1", "V/A", true},
	"S": {"1", "Ohm-1", true}, "Wb": {"1", "V.s", true}, "T": {"1", "Wb/m2", true},
	"H": {"1", "Wb/A", true}, "lm": {"1", "cd.sr", true},
	"lx": {"1", "lm/m2", true}, "Bq": {"1", "s-1", true}, "Gy": {"1", "J/kg", true},
	"Sv": {"1", "J/kg", true}, "kat": {"1", "mol/s", true},
	"l": {"1", "dm3", true}, "L": {"1", "l", true}, "ar": {"100", "m2", true},
	"t": {"1e3", "kg", true}, "bar": {"1e5", "Pa", true},
	"u": {"1.6605402e-24", "g", true}, "eV": {"1.60217733e-19", "J", true},
	"dyn": {"1", "g.cm/s2", true}, "erg": {"1", "dyn.cm", true},
	"P": {"1", "dyn.s/cm2", true}, "gf": {"1", "g.[g]", true}, "[g]": {"9.80665", "m/s2", true},
	"Ao": {"0.1", "nm", false},
	// time
	"min": {"60", "s", false}, "h": {"60", "min", false}, "d": {"24", "h", false},
	"wk": {"7", "d", false}, "a": {"365.25", "d", false},
	"a_j": {"365.25", "d", false}, "a_t": {"365.24219", "d", false},
	"a_g": {"365.2425", "d", false}, "mo": {"30.4375", "d", false},
	"mo_j": {"30.4375", "d", false}, "mo_s": {"29.53059", "d", false},
	"mo_g": {"30.436875", "d", false},
	// angles
	"'": {"1/60", "deg", false}, "''": {"1/60", "'", false},
	// chemistry
	"eq": {"1", "mol", true}, "osm": {"1", "mol", true}, "U": {"1", "umol/min", true},
	"g%":      {"1", "g/dl", true},
	"[molec]": {"1", "", false}, "[pH]": {"1", "", false}, "Cel": {"1", "", true},
	"[degF]": {"1", "", false}, "B": {"1", "", true},
	// pressure and energy
	"m[H2O]": {"9.80665", "kPa", true}, "m[Hg]": {"133.3220", "kPa", true},
	"[in_i'H2O]": {"1", "m[H2O].[in_i]/m", false},
	"[in_i'Hg]":  {"1", "m[Hg].[in_i]/m", false}, "atm": {"101325", "Pa", false},
	"[psi]": {"1", "[lbf_av]/[in_i]2", false},
	"cal":   {"4.184", "J", true}, "cal_th": {"4.184", "J", true}, "cal_IT": {"4.1868", "J", true},
	"[Cal]":    {"1", "kcal_th", false},
	"[lbf_av]": {"1", "[lb_av].[g]", false},
	// lengths, areas and volumes of custom
	"[in_i]": {"2.54", "cm", false}, "[ft_i]": {"12", "[in_i]", false},
	"[yd_i]": {"3", "[ft_i]", false}, "[mi_i]": {"5280", "[ft_i]", false},
	"[nmi_i]": {"1852", "m", false}, "[kn_i]": {"1", "[nmi_i]/h", false},
	"[sin_i]": {"1", "[in_i]2", false}, "[sft_i]": {"1", "[ft_i]2", false},
	"[cin_i]": {"1", "[in_i]3", false}, "[cft_i]": {"1", "[ft_i]3", false},
	"[gal_us]": {"231", "[in_i]3", false},
	"[qt_us]":  {"1/4", "[gal_us]", false}, "[pt_us]": {"1/2", "[qt_us]", false},
	"[gil_us]": {"1/4", "[pt_us]", false},
	"[foz_us]": {"1/4", "[gil_us]", false}, "[fdr_us]": {"1/8", "[foz_us]", false},
	"[min_us]": {"1/60", "[fdr_us]", false},
	"[tbs_us]": {"1/2", "[foz_us]", false}, "[tsp_us]": {"1/3", "[tbs_us]", false},
	"[cup_us]": {"16", "[tbs_us]", false},
	"[drp]":    {"1/20", "ml", false}, "[diop]": {"1", "m-1", false}, "[Ch]": {"1", "", false},
	// weights of custom
	"[gr]": {"64.79891", "mg", false}, "[lb_av]": {"7000", "[gr]", false},
	"[oz_av]": {"1/16", "[lb_av]", false}, "[dr_av]": {"1/16", "[oz_av]", false},
	"[stone_av]": {"14", "[lb_av]", false}, "[ston_av]": {"2000", "[lb_av]", false},
	"[sc_ap]": {"20", "[gr]", false}, "[dr_ap]": {"3", "[sc_ap]", false},
	"[oz_ap]": {"8", "[dr_ap]", false}, "[lb_ap]": {"12", "[oz_ap]", false},
	"[oz_tr]": {"480", "[gr]", false}, "[lb_tr]": {"12", "[oz_tr]", false},
	// radiation
	"Ci": {"3.7e10", "Bq", true}, "R": {"2.58e-4", "C/kg", true}, "RAD": {"100", "erg/g", true},
	"REM": {"1", "RAD", true},
	// information
	"By": {"8", "bit", true}, "Bd": {"1", "s-1", true},
	// arbitrary units
	"[iU]": {"1", "", true}, "[IU]": {"1", "[iU]", true}, "[arb'U]": {"1", "", false},
	"[USP'U]": {"1", "", false}, "[CFU]": {"1", "", false},
	"[PFU]": {"1", "", false}, "[CCID_50]": {"1", "", false}, "[EID_50]": {"1", "", false},
	"[TCID_50]": {"1", "", false}, "[FFU]": {"1", "", false},
	"[Lf]": {"1", "", false}, "[GPL'U]": {"1", "", false}, "[MPL'U]": {"1", "", false},
	"[APL'U]": {"1", "", false}, "[ELU]": {"1", "", false},
	"[HPF]": {"1", "", false}, "[LPF]": {"100", "[HPF]", false}, "[EU]": {"1", "", false},
	"[beth'U]": {"1", "", false}, "[anti'Xa'U]": {"1", "", false},
}
