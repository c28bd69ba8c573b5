package hwprofiles

import "strings"

func otherFacts() []fact {
	kunpeng := "0: 10 12 20 22; 1: 12 10 22 24; 2: 20 22 10 12; 3: 22 24 12 10"
	var lpar, hbm, grace []string
	for n := range 16 {
		lpar = append(lpar, strings.ReplaceAll("N: A-B", "N", itoa(n)))
		lpar[n] = strings.ReplaceAll(strings.ReplaceAll(lpar[n], "A", itoa(120*n)), "B", itoa(120*n+119))
		hbm = append(hbm, itoa(n)+": "+itoa(38*n)+"-"+itoa(38*n+37), itoa(16+n)+":")
	}
	for n := 4; n < 36; n++ {
		grace = append(grace, itoa(n)+":")
	}
	var gb200 []string
	for n := 2; n < 34; n++ {
		gb200 = append(gb200, itoa(n)+":")
	}
	return []fact{
		{name: "generic-1s4c", nodes: "0: 0-3", siblings: "none", l3: "1: 0-3"},
		{name: "generic-1s4c-smt2", nodes: "0: 0-7", siblings: "+4", l3: "1: 0-7"},
		{name: "generic-2s4c-smt2", nodes: "0: 0-3,8-11; 1: 4-7,12-15", siblings: "+8", l3: "2: 0-3,8-11", distances: "0: 10 21; 1: 21 10"},
		{name: "generic-2s8c", nodes: "0: 0-7; 1: 8-15", siblings: "none", l3: "2: 0-7"},
		{
			name: "generic-1024", siblings: "+512", l3: "64: 0-7,512-519", sockets: "0: 0-255,512-767; 1: 256-511,768-1023",
			nodes: "0: 0-63,512-575; 1: 64-127,576-639; 2: 128-191,640-703; 3: 192-255,704-767; 4: 256-319,768-831; 5: 320-383,832-895; 6: 384-447,896-959; 7: 448-511,960-1023",
		},
		// P and E cores: siblings are checked in TestHybridProfiles.
		{name: "core-i7-1370p", nodes: "0: 0-19", siblings: hybridRule, l3: "1: 0-19", cores: "0:0 1:0 2:4 3:4 10:20 11:20 12:24 19:31"},
		{name: "core-ultra-225u", nodes: "0: 0-13", siblings: hybridRule, l3: "1: 0-11"},
		{name: "ampere-altra-q80-2s", nodes: "0: 0-79; 1: 80-159", siblings: "none", l3: "0"},
		{name: "ampere-altra-q80-1s", nodes: "0: 0-79", siblings: "none", l3: "0"},
		{name: "ampere-altra-q80-1s-quadrant", nodes: "0: 0-19; 1: 20-39; 2: 40-59; 3: 60-79", siblings: "none", l3: "0"},
		{name: "azure-altra-64", nodes: "0: 0-63", siblings: "none", l3: "1"},
		{name: "aws-graviton2-2cpu", nodes: "0: 0-1", siblings: "none", l3: "1: 0-1", sockets: "60: 0-1"},
		{name: "aws-graviton3-64", nodes: "0: 0-63", siblings: "none", l3: "1"},
		{name: "aws-graviton4-c8g-metal-24xl", nodes: "0: 0-95", siblings: "none", l3: "1", sockets: "0: 0-95"},
		{name: "aws-graviton4-48xl", nodes: "0: 0-95; 1: 96-191", siblings: "none", l3: "2"},
		{name: "nvidia-gh200", nodes: "0: 0-71; 2:; 3:; 4:; 5:; 6:; 7:; 8:", siblings: "none", l3: "1: 0-71"},
		{
			name: "nvidia-gb200", nodes: "0: 0-71; 1: 72-143; " + strings.Join(gb200, ";"), siblings: "none", l3: "2",
			distances: "0: 10 40 80 80 80 80 80 80 80 80 80 80 80 80 80 80 80 80 120 120 120 120 120 120 120 120 120 120 120 120 120 120 120 120;" +
				"1: 40 10 120 120 120 120 120 120 120 120 120 120 120 120 120 120 120 120 80 80 80 80 80 80 80 80 80 80 80 80 80 80 80 80;" +
				"2: 80 120 10 11 11 11 11 11 11 11 40 40 40 40 40 40 40 40 40 40 40 40 40 40 40 40 40 40 40 40 40 40 40 40",
			memory: "0: 489935; 1: 489795; 2: 188416; 10: 188416; 18: 188416; 26: 188416; 3: 0; 9: 0; 11: 0; 17: 0; 19: 0; 27: 0; 33: 0",
		},
		{name: "nvidia-grace-4x", nodes: "0: 0-71; 1: 72-143; 2: 144-215; 3: 216-287; " + strings.Join(grace, ";"), siblings: "none", l3: "4: 72-143"},
		{name: "nvidia-gb10", nodes: "0: 0-19", siblings: "none", l3: "2: 0-9; 10-19", sockets: "36: 0-19"},
		{
			name: "kunpeng-920-2s-128c", nodes: "0: 0-31; 1: 32-63; 2: 64-95; 3: 96-127", siblings: "none", l3: "4: 0-31; 96-127",
			sockets: "36: 0-63; 8442: 64-127", cores: "0:0 63:63 64:64 127:127",
			clusters: "138: 0-3; 654: 4-7; 10092: 76-79; 16332: 124-127", memory: "0: 128645; 3: 127990",
			distances: "0: 10 16 32 33; 1: 16 10 25 32; 2: 32 25 10 16; 3: 33 32 16 10",
		},
		{name: "kunpeng-920-2s-96c", nodes: "0: 0-23; 1: 24-47; 2: 48-71; 3: 72-95", siblings: "none", l3: "4", distances: kunpeng},
		{name: "kunpeng-920-2s-memoryless", nodes: "0: 0-31; 1: 32-63; 2: 64-95; 3: 96-127", siblings: "none", l3: "4", distances: kunpeng, memory: "0: 0; 2: 0; 3: 0"},
		{name: "kunpeng-920-5250-4s", nodes: "0: 0-23; 1: 24-47; 2: 48-71; 3: 72-95; 4: 96-119; 5: 120-143; 6: 144-167; 7: 168-191", siblings: "none", l3: "8: 0-23"},
		{name: "kunpeng-smt2-4s", nodes: "0: 0-79; 1: 80-159; 2: 160-239; 3: 240-319; 4: 320-399; 5: 400-479; 6: 480-559; 7: 560-639", siblings: "adjacent 2", l3: "8: 0-79"},
		{name: "arm-hbm-608", nodes: strings.Join(hbm, ";"), siblings: "none", l3: "0", sockets: "0: 0-303; 1: 304-607"},
		{name: "thunderx2-2s-smt4", nodes: "0: 0-127; 1: 128-255", siblings: "+32 +64 +96", l3: "2"},
		{name: "thunderx2-2s-smt4-limit2", nodes: "0: 0-127; 1: 128-255", siblings: "+32 +64 +96", l3: "2", offline: "64-127,192-255"},
		{name: "raspberry-pi-4", siblings: "none", l3: "0", sockets: "0: 0-3"},
		{
			name: "power9-ac922-4gpu", nodes: "0: 0-63; 8: 64-127; 252:; 253:; 254:; 255:", siblings: "adjacent 4", l3: "16: 0-7; 120-127",
			distances: "0: 10 40 80 80 80 80; 255: 80 80 80 80 80 10",
		},
		{
			name: "power9-ac922-6gpu", nodes: "0: 0-87; 8: 88-175; 250:; 251:; 252:; 253:; 254:; 255:", siblings: "adjacent 4", l3: "22: 0-7",
			sockets: "0: 0-87; 8: 88-175", cores: "0:8 3:8 4:12 8:16 88:2056 92:2060", memory: "0: 126796; 8: 130812; 250: 15360; 255: 15360",
			distances: "0: 10 40 80 80 80 80 80 80; 8: 40 10 80 80 80 80 80 80; 250: 80 80 10 80 80 80 80 80",
		},
		{name: "power9-2s20c", nodes: "0: 0-79; 8: 80-159", siblings: "adjacent 4", l3: "20: 0-7"},
		{name: "power9-2s20c-swapped", nodes: "0: 80-159; 8: 0-79", siblings: "adjacent 4", l3: "20: 0-7"},
		{name: "power9-2s20c-offline", nodes: "0: 0-79; 8: 80-159", siblings: "adjacent 4", l3: "16: 24-31; 40-47", offline: "0-23,32-39"},
		{name: "power10-lpar-1920", nodes: strings.Join(lpar, ";"), siblings: "adjacent 8", l3: "480: 0-3; 4-7; 1916-1919"},
		{
			name: "power8-2s10c-smt-off", nodes: "0: 0-79; 8: 80-159", siblings: "adjacent 8", l3: "20: 0; 8",
			offline: "1-7,9-15,17-23,25-31,33-39,41-47,49-55,57-63,65-71,73-79,81-87,89-95,97-103,105-111,113-119,121-127,129-135,137-143,145-151,153-159",
		},
		{
			name: "power7-9179-mhb", siblings: "adjacent 4", l3: "64: 0-3; 252-255", sockets: "-1: 0-255", cores: "0:0 4:4 255:252", memory: "0: 57088; 13: 55552",
			nodes:     "0: 0-31; 1: 32-63; 4: 64-95; 5: 96-127; 8: 128-159; 9: 160-191; 12: 192-223; 13: 224-255",
			distances: "0: 10 20 40 40 40 40 40 40; 13: 40 40 40 40 40 40 20 10",
		},
		{
			name: "s390x-lpar", siblings: "none", l3: "0", sockets: "-1: 1-5,8-19", offline: "0,6-7",
			books: "3: 1-5; 4: 8-19", packages: "0: 1-2; 1: 3-5; 2: 8-10; 3: 11-14; 4: 15; 5: 16-18; 6: 19", cores: "1:1 2:1 3:2 8:1 10:1 11:2 15:3 16:4 18:4 19:6",
		},
		{name: "s390x-lpar-drawer", nodes: "0: 0-7", siblings: "none", l3: "0", sockets: "2: 0-1; 3: 2-7", absent: "0: 8-140", books: "1: 0-7"},
		{name: "s390x-z16-smt2", nodes: "0: 0-7", siblings: "adjacent 2", l3: "0"},
		{name: "s390x-kvm", siblings: "none", l3: "0", sockets: "-1: 0-2", packages: "0: 0; 1: 1; 2: 2", books: "0: 0-2", cores: "0:0 1:0 2:0", offline: "3-63"},
		{name: "milkv-pioneer-sg2042", nodes: "0: 0-7,16-23; 1: 8-15,24-31; 2: 32-39,48-55; 3: 40-47,56-63", siblings: "none", l3: "0", cores: "0:1 1:0 3:3 4:0 7:3 8:0 63:3", clusters: "0: 0-3; 4: 8-11; 2: 16-19; 12: 40-43; 10: 48-51"},
		{name: "loongson-3c6000-kvm", nodes: "0: 0-31", siblings: "none", l3: "1: 0-31", cores: "0:0 31:31"},
		{name: "riscv-u74-2c", siblings: "adjacent 2", l3: "0", cores: "0:-1 1:-1", sockets: "-1: 0-1", packages: "0: 0-1"},
		{name: "azure-amd-4cpu", nodes: "0: 0-3", siblings: "adjacent 2", l3: "1: 0-3"},
		{name: "kvm-1s8c-threads2", nodes: "0: 0-15", siblings: "adjacent 2", l3: "1", sockets: "0: 0-15", cores: "0:0 1:0 2:1 3:1 15:7"},
		{name: "kvm-32s1c", nodes: "0: 0-31", siblings: "none", l3: "32: 0; 31"},
		{name: "kvm-2s2c-smt2-1node", nodes: "0: 0-7", siblings: "adjacent 2", l3: "2", sockets: "0: 0-3; 1: 4-7", cores: "0:0 2:1 4:0 6:1"},
		{name: "vmware-2s8c-4n", nodes: "0: 0-3; 1: 4-7; 2: 8-11; 3: 12-15", siblings: "adjacent 2", l3: "4: 0-3; 12-15", sockets: "0: 0-7; 1: 8-15", cores: "0:0 3:3 4:0 7:3 8:0 15:3"},
		{name: "gpu-vm-8c-coreids", nodes: "0: 0-7", siblings: "none", l3: "1", cores: "0:0 1:57 2:58 3:59 4:60 5:61 6:62 7:63"},
	}
}
